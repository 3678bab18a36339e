//! Mail that stays in this process: for tests.

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Mailer, Message};
use crate::{Error, Result};

/// Keeps what it is given, or fails as it was told.
#[derive(Debug, Default)]
pub struct MemoryMailer {
    sent: Mutex<Vec<Message>>,
    failures: Mutex<Vec<Error>>,
}

impl MemoryMailer {
    /// What was sent, oldest first.
    #[must_use]
    pub fn sent(&self) -> Vec<Message> {
        self.sent.lock().clone()
    }

    /// Fails once with this; the last one given is the first to be told.
    pub fn fail_with(&self, error: Error) {
        self.failures.lock().push(error);
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, message: &Message) -> Result<()> {
        if let Some(error) = self.failures.lock().pop() {
            return Err(error);
        }
        self.sent.lock().push(message.clone());
        Ok(())
    }
}
