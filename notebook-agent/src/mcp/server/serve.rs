//! What is done while a server is connected: its tools are listed, anew when they change, and it is asked whether it is there.

use std::{sync::Arc, time::Duration};

use notebook_core::approval::visible;
use rmcp::{
    RoleClient,
    model::{
        ClientRequest, ListToolsRequest, PaginatedRequestParams, PingRequest, SubscriptionFilter,
    },
    service::{Peer, ServiceError, Subscription},
};
use tokio::sync::Notify;

use super::{About, Live, Server, Service, call::Remote, lost, open::Over};
use crate::mcp::{
    health::LATE,
    listing::{Listed, Page},
    offer::Offer,
    pace::Pace,
    state::Event,
};

/// The most pages of a list of tools, and the most tools that are looked at.
const PAGES: usize = 100;
const LOOKED_AT: usize = 10_000;
/// How old what is known of a server's tools may be when one is called.
const FRESH: Duration = Duration::from_secs(60);
/// How long a server may take to say that it is there.
const PING: Duration = Duration::from_secs(10);

impl Server {
    /// What is done while it is connected; why that is over.
    pub(super) async fn serve(self: &Arc<Self>, service: &Service, changes: &Notify) -> Over {
        let peer = service.peer().clone();
        if let Err(why) = self.list(&peer).await {
            return Over::Ended(why);
        }
        let info = peer.peer_info();
        let about = info.as_ref().map(|info| About {
            protocol: info.protocol_version.as_str().to_owned(),
            name: info.server_info.as_ref().map_or_else(String::new, |own| {
                let name = format!("{} {}", own.name, own.version);
                visible(&name.chars().take(100).collect::<String>())
            }),
        });
        self.standing.send_modify(|standing| standing.about = about);
        self.tell(Event::Up);
        tracing::info!(server = self.settings.taking.server, "an MCP server is connected");
        let mut told = self.subscribe(&peer).await;
        let mut pace = Pace::new(self.clock.now());
        loop {
            let due = pace.wait(self.clock.now());
            tokio::select! {
                () = closed(&peer) => return Over::Ended("it ended the connection".to_owned()),
                () = changes.notified() => pace = self.changed(pace),
                // A subscription that ends leaves what every call looks at.
                more = next(&mut told) => {
                    if !more {
                        told = None;
                    }
                    pace = self.changed(pace);
                }
                () = self.doubt.notified() => if !self.replies(&peer).await {
                    return Over::Useless(format!(
                        "it does not reply: the time of {LATE} calls in a row ran out, and then nothing came within {} s",
                        self.ping().as_secs()
                    ));
                },
                () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {
                    if let Err(why) = self.list(&peer).await {
                        return Over::Ended(why);
                    }
                    pace = pace.listed(self.clock.now());
                }
            }
        }
    }

    /// What is known of its tools is old from now on: a call looks itself.
    fn changed(&self, pace: Pace) -> Pace {
        if let Some(live) = &mut *self.live.lock() {
            live.listed = None;
        }
        pace.changed(self.clock.now())
    }

    fn ping(&self) -> Duration {
        PING.min(self.settings.taking.time)
    }

    /// Whether it says anything within a short time, be it that it does not know what a ping is.
    async fn replies(&self, peer: &Peer<RoleClient>) -> bool {
        let before = self.health.lock().answers;
        let info = peer.peer_info();
        // The revision of 2026 has no ping.
        let ask = match info.is_some_and(|info| info.protocol_version.has_initialize()) {
            true => ClientRequest::PingRequest(PingRequest::default()),
            false => ClientRequest::ListToolsRequest(ListToolsRequest::default()),
        };
        let asked = tokio::time::timeout(self.ping(), peer.send_request(ask)).await;
        let is_answer = matches!(
            asked,
            Ok(Ok(_) | Err(ServiceError::McpError(_) | ServiceError::UnexpectedResponse))
        );
        is_answer || self.health.lock().answers != before
    }

    /// From the revision of 2026 on, changes are told to who has asked for them.
    async fn subscribe(&self, peer: &Peer<RoleClient>) -> Option<Subscription> {
        let info = peer.peer_info()?;
        let tells = info.capabilities.tools.as_ref()?.list_changed == Some(true);
        if info.protocol_version.has_initialize() || !tells {
            return None;
        }
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        tokio::time::timeout(self.settings.taking.time, peer.listen(filter)).await.ok()?.ok()
    }

    /// Lists the tools, and offers what can be taken of them.
    async fn list(self: &Arc<Self>, peer: &Peer<RoleClient>) -> Result<(), String> {
        let _one = self.listing.lock().await;
        self.list_now(peer).await
    }

    /// The same, where what is known is old: of those who wait for it one lists them.
    pub(super) async fn list_if_old(
        self: &Arc<Self>,
        peer: &Peer<RoleClient>,
    ) -> Result<(), String> {
        if self.is_fresh() {
            return Ok(());
        }
        let _one = self.listing.lock().await;
        if self.is_fresh() { Ok(()) } else { self.list_now(peer).await }
    }

    fn is_fresh(&self) -> bool {
        let listed = self.live.lock().as_ref().and_then(|live| live.listed);
        listed.is_some_and(|listed| self.clock.now().since(listed) <= FRESH)
    }

    async fn list_now(self: &Arc<Self>, peer: &Peer<RoleClient>) -> Result<(), String> {
        let time = self.settings.taking.time;
        let tools = match tokio::time::timeout(time, listed(peer)).await {
            Ok(Ok(tools)) => tools,
            Ok(Err(why)) => return Err(format!("it does not list its tools: {why}")),
            Err(_) => {
                return Err(format!("it has not listed its tools within {} s", time.as_secs()));
            }
        };
        let offer = Offer::of(&self.settings.taking, &tools, |tool, digest| {
            Arc::new(Remote {
                server: Arc::downgrade(self),
                tool: tool.to_owned(),
                digest: digest.to_owned(),
            })
        });
        // What was told before is not told again and again.
        let known = self.standing.borrow().offer.refused.clone();
        for refused in offer.refused.iter().filter(|refused| !known.contains(refused)) {
            tracing::warn!(
                server = self.settings.taking.server,
                refused,
                "a tool of an MCP server is not offered"
            );
        }
        *self.live.lock() = Some(Live { peer: peer.clone(), listed: Some(self.clock.now()) });
        self.standing.send_modify(|standing| standing.offer = Arc::new(offer));
        Ok(())
    }
}

/// All tools, as far as they are looked at.
async fn listed(peer: &Peer<RoleClient>) -> Result<Vec<Listed>, String> {
    let (mut tools, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES {
        let asked = PaginatedRequestParams::default().with_cursor(cursor.take());
        let asked = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(asked));
        // Not by what the library keeps of earlier answers: it is to be known now.
        let result = peer.send_request(asked).await.map_err(|error| lost(&error))?;
        let page = Page::of(result).ok_or("it answers with something else")?;
        tools.extend(page.tools);
        cursor = page.next;
        if cursor.is_none() || tools.len() >= LOOKED_AT {
            break;
        }
    }
    Ok(tools)
}

async fn closed(peer: &Peer<RoleClient>) {
    while !peer.is_transport_closed() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Whether there is more to come.
async fn next(told: &mut Option<Subscription>) -> bool {
    match told {
        Some(subscription) => matches!(subscription.next().await, Ok(Some(_))),
        None => std::future::pending().await,
    }
}
