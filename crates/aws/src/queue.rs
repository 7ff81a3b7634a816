//! The queue that EventBridge fills.

use std::time::Duration;

use aws_sdk_sqs::config::{Builder, Region};
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::arn::{Arn, Partition};
use rolekeeper_domain::call::Operation;
use rolekeeper_domain::fault::Fault;

use crate::client::{Aws, signed_with};
use crate::error::{fault, malformed};
use crate::event::{Content, read};

/// How long SQS waits for a message before it answers that there is none: the most it can.
pub(crate) const LONG_POLL: Duration = Duration::from_secs(20);

/// The most messages of one answer.
const BATCH: i32 = 10;

/// The longest that a message can be put back for.
const MAX_DELAY: Duration = Duration::from_hours(12);

/// One message, to be deleted once it has been acted upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it says.
    pub content: Content,
    /// How often it has been handed out, this time included.
    pub received: u32,
    receipt: String,
}

/// How full the queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that wait.
    pub waiting: u64,
    /// Messages handed out and not yet deleted.
    pub in_flight: u64,
}

/// Reads events, one call a method. A message that is not deleted comes again.
#[derive(Clone, Debug)]
pub struct EventQueue {
    aws: Aws,
    url: String,
}

impl EventQueue {
    pub(crate) fn new(aws: Aws, url: &str) -> Self {
        Self {
            aws,
            url: url.to_owned(),
        }
    }

    /// The next messages, or none after 20 seconds without any.
    ///
    /// # Errors
    /// What kept the queue from being read.
    pub async fn receive(&self) -> Result<Vec<Message>, Fault> {
        self.receive_within(LONG_POLL).await
    }

    /// The next messages, or none after `wait` (at most 20 s, whole seconds) without any.
    ///
    /// # Errors
    /// What kept the queue from being read.
    pub async fn receive_within(&self, wait: Duration) -> Result<Vec<Message>, Fault> {
        let request = self
            .aws
            .sqs
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .wait_time_seconds(whole_seconds(wait.min(LONG_POLL)));
        let sent = request
            .customize()
            .config_override(self.identity().await?)
            .send()
            .await;
        let reply = sent.map_err(|error| fault(Operation::ReceiveMessage, &error))?;
        let message = |message: &aws_sdk_sqs::types::Message| {
            let receipt = message.receipt_handle().ok_or_else(|| {
                malformed(Operation::ReceiveMessage, "a message without a receipt")
            })?;
            let count = message.attributes().and_then(|attributes| {
                attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount)
            });
            Ok(Message {
                content: read(message.body().unwrap_or_default()),
                received: count.and_then(|count| count.parse().ok()).unwrap_or(1),
                receipt: receipt.to_owned(),
            })
        };
        reply.messages().iter().map(message).collect()
    }

    /// Takes a message off the queue.
    ///
    /// # Errors
    /// What kept it there; it will come again, and that is harmless.
    pub async fn delete(&self, message: &Message) -> Result<(), Fault> {
        let request = self
            .aws
            .sqs
            .delete_message()
            .queue_url(&self.url)
            .receipt_handle(&message.receipt);
        let sent = request
            .customize()
            .config_override(self.identity().await?)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| fault(Operation::DeleteMessage, &error))
    }

    /// Puts a message back, to come again after `delay` (at most 12 hours).
    ///
    /// # Errors
    /// What kept it from being put back; it will come again by itself, sooner or later.
    pub async fn postpone(&self, message: &Message, delay: Duration) -> Result<(), Fault> {
        let request = self
            .aws
            .sqs
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&message.receipt)
            .visibility_timeout(whole_seconds(delay.min(MAX_DELAY)));
        let sent = request
            .customize()
            .config_override(self.identity().await?)
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| fault(Operation::ChangeMessageVisibility, &error))
    }

    /// How full the queue is, about.
    ///
    /// # Errors
    /// What kept the queue from being read.
    pub async fn backlog(&self) -> Result<Backlog, Fault> {
        let waiting = QueueAttributeName::ApproximateNumberOfMessages;
        let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let request = self
            .aws
            .sqs
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(waiting.clone())
            .attribute_names(in_flight.clone());
        let sent = request
            .customize()
            .config_override(self.identity().await?)
            .send()
            .await;
        let reply = sent.map_err(|error| fault(Operation::GetQueueAttributes, &error))?;
        let number = |name: &QueueAttributeName| {
            reply
                .attributes()
                .and_then(|all| all.get(name))
                .and_then(|text| text.parse().ok())
                .unwrap_or_default()
        };
        Ok(Backlog {
            waiting: number(&waiting),
            in_flight: number(&in_flight),
        })
    }

    async fn identity(&self) -> Result<Builder, Fault> {
        let builder = signed_with!(aws_sdk_sqs, self.aws.hub.get().await?);
        // Organizations and IAM report in one Region, whatever Region the hub works from.
        Ok(match region_of(&self.url) {
            Some(region) => builder.region(Region::new(region.to_owned())),
            None => builder,
        })
    }
}

/// The Region of a queue, from its URL. None for an address that is not AWS's: a stand-in has no Regions.
fn region_of(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split('/').next()?;
    let ours = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"];
    let name = ours.iter().find_map(|end| host.strip_suffix(end))?;
    match name.split('.').collect::<Vec<_>>().as_slice() {
        ["sqs" | "sqs-fips", region] | [region, "queue"] | [_, "sqs", region, "vpce"] => {
            Some(region)
        }
        // The oldest form of all.
        ["queue"] => Some("us-east-1"),
        _ => None,
    }
}

/// The ARN of a queue, from its URL. None for an address that is not AWS's.
pub fn queue_arn(url: &str, partition: Partition) -> Option<Arn> {
    let region = region_of(url)?;
    let path = url.split_once("://")?.1.split_once('/')?.1;
    let (account, name) = path.trim_end_matches('/').split_once('/')?;
    let account: AccountId = account.parse().ok()?;
    if name.is_empty() || name.contains('/') {
        return None;
    }
    format!("arn:{partition}:sqs:{region}:{account}:{name}")
        .parse()
        .ok()
}

fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use rolekeeper_domain::arn::Partition;

    use super::{queue_arn, region_of};

    #[test]
    fn a_queue_is_asked_in_the_region_that_its_url_names() {
        for (url, region) in [
            ("http://127.0.0.1:4566/123456789012/rolekeeper", None),
            (
                "https://sqs.us-east-1.amazonaws.com/123456789012/rolekeeper",
                Some("us-east-1"),
            ),
            (
                "https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/q",
                Some("us-gov-west-1"),
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q",
                Some("cn-north-1"),
            ),
            (
                "https://sqs.eu-west-1.api.aws/123456789012/q",
                Some("eu-west-1"),
            ),
            (
                "https://eu-west-1.queue.amazonaws.com/123456789012/q",
                Some("eu-west-1"),
            ),
            (
                "https://queue.amazonaws.com/123456789012/q",
                Some("us-east-1"),
            ),
            (
                "https://vpce-0a1b-c2d3-us-east-1a.sqs.us-east-1.vpce.amazonaws.com/123456789012/q",
                Some("us-east-1"),
            ),
            ("https://vpce-0a1b.sqs.example.com/123456789012/q", None),
        ] {
            assert_eq!(region_of(url), region, "{url}");
            // Whoever is asked in a Region needs a permission for a queue in it.
            let arn = queue_arn(url, Partition::Aws).map(|arn| arn.to_string());
            let name = url.rsplit('/').next().unwrap_or_default();
            let expected = region.map(|region| format!("arn:aws:sqs:{region}:123456789012:{name}"));
            assert_eq!(arn, expected, "{url}");
        }
        for url in [
            "https://sqs.us-east-1.amazonaws.com/q",
            "https://sqs.us-east-1.amazonaws.com/123456789012/",
            "https://sqs.us-east-1.amazonaws.com/123456789012/q/r",
            "https://sqs.us-east-1.amazonaws.com/ops/q",
        ] {
            assert_eq!(queue_arn(url, Partition::Aws), None, "{url}");
        }
    }
}
