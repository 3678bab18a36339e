//! Pictures: their text is recognised by a program that a child becomes.

use std::io;
use std::process::ExitStatus;

use notebook_core::document::Document;
use tokio::io::AsyncReadExt;

use super::fork::ParseChild;
use super::reply::complaints;
use super::{ChildParser, in_memory, internal};
use crate::parse::program::died;
use crate::parse::wire::Content;
use crate::parse::{FailureCode, Ocr, ParseFailure, Picture, ocr, places::Seen};

impl ChildParser {
    /// Recognises text in an empty picture, to see whether that can be done here.
    ///
    /// # Errors
    /// [`FailureCode::OcrUnavailable`] with what is missing; why the program broke down.
    pub async fn check_ocr(&self) -> Result<(), ParseFailure> {
        let pixels = vec![u8::MAX; 64 * 64];
        let blank = Picture { width: 64, height: 64, pixels, shown: (64, 64) };
        match self.recognise(&blank).await {
            Err(failure) if failure.code != FailureCode::NoText => Err(failure),
            _ => Ok(()),
        }
    }

    /// Recognises the text of a picture, in a child that becomes the program for it. One that makes little sense may
    /// stand on its head or lie on its side.
    pub(super) async fn recognise(&self, picture: &Picture) -> Result<Document, ParseFailure> {
        let ocr = self.ocr.as_ref().ok_or(FailureCode::OcrUnavailable)?;
        let mut best = self.words_in(ocr, picture, 0).await?;
        let mut turned = picture.clone();
        let mut so_far = 0;
        for quarters in [2, 1, 2] {
            if !best.is_doubtful() {
                break;
            }
            turned = (0..quarters).fold(turned, |turned, _| turned.turned());
            so_far = (so_far + quarters) % 4;
            let words = self.words_in(ocr, &turned, so_far).await?;
            if words.sure() > best.sure() {
                best = words;
            }
        }
        best.document(&self.limits)
    }

    /// The words of a picture that was turned clockwise by so many quarters.
    async fn words_in(
        &self,
        ocr: &Ocr,
        picture: &Picture,
        quarters: u8,
    ) -> Result<ocr::Table, ParseFailure> {
        let file = in_memory(&picture.to_pgm()).map_err(internal)?;
        let child = self.start_for(file, Content::Picture(ocr.clone())).await?;
        let said = tokio::time::timeout(self.limits.wall, self.words(child)).await;
        let (table, complaints, status) = said
            .map_err(|_| ParseFailure::new(FailureCode::TimeLimit).with_detail("text recognition"))?
            .map_err(internal)?;
        // It goes on with the languages that it has: what is missing would be read as nonsense.
        if let Some(failure) = ocr.failure(status.code(), &complaints) {
            return Err(failure);
        }
        if status.code() != Some(0) {
            return Err(died(status, &complaints));
        }
        let seen = Seen::of(picture, quarters);
        Ok(ocr::Table::of(String::from_utf8_lossy(&table).into_owned(), seen))
    }

    /// All that a program says, up to the limit of text, the start of its complaints, and how it ended.
    async fn words(&self, mut child: ParseChild) -> io::Result<(Vec<u8>, String, ExitStatus)> {
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Ok((Vec::new(), String::new(), child.ended().await?));
        };
        let read = async move {
            let mut said = Vec::new();
            let _ = stdout.take(self.limits.text_bytes as u64).read_to_end(&mut said).await;
            said
        };
        let (said, complaints) = tokio::join!(read, complaints(stderr));
        Ok((said, complaints, child.ended().await?))
    }
}
