//! `/api/v1/events`: what happens at this moment, as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::ApiState;
use super::live::LiveEvent;
use super::refusals::Guarded;
use super::views::{self, ProgressView};

/// How often a running sweep's counts are sent: what an eye can follow.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// Proxies cut connections that are silent for a minute.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Live events.
///
/// `progress` carries the counts of the sweep under way twice a second; other
/// events carry an id. A client that reconnects with `Last-Event-ID` gets what it
/// missed, or `reset` when that is too long ago: then it should read
/// everything anew.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "process", security((), ("token" = [])),
    params(("last-event-id" = Option<String>, Header, description = "The last id the client has seen")),
    responses(
        (status = 200, content_type = "text/event-stream", body = String),
        Guarded,
    ),
)]
pub(super) async fn events(
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last_seen = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u64>().ok());
    let changed = state.live.subscribe();
    #[expect(
        clippy::disallowed_methods,
        reason = "a browser is served in real time; a missed tick is sent once, as set below"
    )]
    let mut ticks = interval_at(Instant::now(), PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let feed = Feed {
        next_id: last_seen.map_or_else(|| state.live.next_id(), |id| id.saturating_add(1)),
        state,
        changed,
        ticks,
        queue: Vec::new(),
        told_idle: true,
    };
    let events = stream::unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_EVERY))
}

struct Feed {
    state: ApiState,
    changed: watch::Receiver<u64>,
    ticks: tokio::time::Interval,
    next_id: u64,
    /// Events to send, the oldest last.
    queue: Vec<LiveEvent>,
    /// Whether the client knows that no sweep runs.
    told_idle: bool,
}

impl Feed {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop() {
                self.next_id = event.id + 1;
                return Some(
                    Event::default()
                        .id(event.id.to_string())
                        .event(event.kind)
                        .data(event.data),
                );
            }
            match self.state.live.since(self.next_id) {
                None => {
                    self.next_id = self.state.live.next_id();
                    return Some(Event::default().event("reset").data("{}"));
                }
                Some(mut events) if !events.is_empty() => {
                    events.reverse();
                    self.queue = events;
                    continue;
                }
                Some(_) => {}
            }
            tokio::select! {
                () = self.state.stopping.cancelled() => return None,
                changed = self.changed.changed() => changed.ok()?,
                _ = self.ticks.tick() => {
                    if let Some(event) = self.progress() {
                        return Some(event);
                    }
                }
            }
        }
    }

    fn progress(&mut self) -> Option<Event> {
        let running = self.state.live.running();
        if running.is_none() && self.told_idle {
            return None;
        }
        self.told_idle = running.is_none();
        let body = serde_json::json!({
            "running": running.map(|running| ProgressView::new(running, (self.state.now)())),
            "rates": views::rates(self.state.live.rates()),
        });
        Some(Event::default().event("progress").data(body.to_string()))
    }
}
