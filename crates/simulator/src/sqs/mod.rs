//! A queue in SQS, which the organization's events come to.

mod news;
mod queue;

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::call::ApiError;
use crate::world::authorize::{Case, Powers, Wish, authorize};

pub(crate) use crate::sqs::news::News;
pub(crate) use crate::sqs::queue::Queue;

/// The name of the one queue there is, in the management account.
pub const EVENT_QUEUE: &str = "rolekeeper-events";

type Reply = Result<Value, ApiError>;
type Run = fn(&Ask<'_>, &Queue) -> Reply;

static OPERATIONS: &[(&str, &str, Run)] = &[
    (
        "ChangeMessageVisibility",
        "sqs:ChangeMessageVisibility",
        change_visibility,
    ),
    ("DeleteMessage", "sqs:DeleteMessage", delete),
    ("GetQueueAttributes", "sqs:GetQueueAttributes", attributes),
    ("GetQueueUrl", "sqs:GetQueueUrl", url),
    ("ReceiveMessage", "sqs:ReceiveMessage", receive),
    ("SendMessage", "sqs:SendMessage", send),
];

/// The world's own text of an operation's name.
pub(crate) fn operation(name: &str) -> Option<&'static str> {
    OPERATIONS
        .iter()
        .map(|(known, ..)| *known)
        .find(|known| *known == name)
}

/// Answers an SQS call with its JSON body.
pub(crate) fn answer(ask: &Ask<'_>) -> Result<String, ApiError> {
    let gone = || {
        ApiError::bad(
            "com.amazonaws.sqs#QueueDoesNotExist",
            "The specified queue does not exist.",
        )
    };
    let (_, action, run) = OPERATIONS
        .iter()
        .find(|(known, ..)| *known == ask.operation)
        .ok_or_else(gone)?;
    let named = ask
        .get("QueueUrl")
        .or_else(|| ask.get("QueueName"))
        .unwrap_or_default();
    let queue = ask
        .world
        .queue
        .as_ref()
        .filter(|_| named.ends_with(EVENT_QUEUE))
        .ok_or_else(gone)?;
    permit(ask, action)?;
    Ok(run(ask, queue)?.to_string())
}

fn permit(ask: &Ask<'_>, action: &str) -> Result<(), ApiError> {
    let iam = ask.world.latest(ask.caller.account).unwrap_or_default();
    let management = ask
        .world
        .management_account()
        .map(|id| id.to_string())
        .unwrap_or_default();
    let case = Case {
        caller: ask.caller,
        powers: &Powers::of(ask.caller, &iam),
        rails: &ask.world.rails(ask.caller.account),
        resource_rails: &[],
        trust: None,
        same_account: true,
        organization: &ask.world.organization_id(),
    };
    let arn = format!(
        "arn:aws:sqs:{}:{management}:{EVENT_QUEUE}",
        ask.request.region
    );
    authorize(&case, &Wish::of(action, arn)).map_err(|mut error| {
        error.code = "AccessDeniedException".into();
        error
    })
}

fn seconds(ask: &Ask<'_>, name: &str, default: i64) -> SignedDuration {
    SignedDuration::from_secs(
        ask.json()
            .get(name)
            .and_then(Value::as_i64)
            .unwrap_or(default)
            .max(0),
    )
}

fn receive(ask: &Ask<'_>, queue: &Queue) -> Reply {
    let most = ask
        .json()
        .get("MaxNumberOfMessages")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    if !(1..=10).contains(&most) {
        return Err(ApiError::bad(
            "InvalidParameterValue",
            "MaxNumberOfMessages must be between 1 and 10",
        ));
    }
    let wait = seconds(ask, "WaitTimeSeconds", 0).min(SignedDuration::from_secs(20));
    let (until, letters) = queue.hand_out(
        usize::try_from(most).unwrap_or(1),
        ask.now,
        wait,
        seconds(ask, "VisibilityTimeout", 30),
    );
    ask.hold(until);
    let show = |letter: queue::Letter| {
        json!({
            "MessageId": letter.message_id(),
            "ReceiptHandle": letter.receipt(),
            "Body": letter.news.body(letter.message_id(), letter.sent_at),
            "Attributes": {
                "ApproximateReceiveCount": letter.received.to_string(),
                "SentTimestamp": letter.sent_at.as_millisecond().to_string(),
            },
        })
    };
    let mut reply = Map::new();
    if !letters.is_empty() {
        reply.insert(
            "Messages".to_owned(),
            letters.into_iter().map(show).collect(),
        );
    }
    Ok(Value::Object(reply))
}

fn receipt<'a>(ask: &Ask<'a>) -> Result<&'a str, ApiError> {
    ask.get("ReceiptHandle").ok_or_else(invalid_receipt)
}

fn invalid_receipt() -> ApiError {
    ApiError::bad(
        "com.amazonaws.sqs#ReceiptHandleIsInvalid",
        "The input receipt handle is invalid.",
    )
}

fn delete(ask: &Ask<'_>, queue: &Queue) -> Reply {
    queue
        .delete(receipt(ask)?)
        .then(|| json!({}))
        .ok_or_else(invalid_receipt)
}

fn change_visibility(ask: &Ask<'_>, queue: &Queue) -> Reply {
    let until = ask
        .now
        .checked_add(seconds(ask, "VisibilityTimeout", 30))
        .unwrap_or(ask.now);
    queue
        .hide_until(receipt(ask)?, until)
        .then(|| json!({}))
        .ok_or_else(invalid_receipt)
}

fn attributes(ask: &Ask<'_>, queue: &Queue) -> Reply {
    let (waiting, in_flight) = queue.counts(ask.now);
    Ok(json!({ "Attributes": {
        "ApproximateNumberOfMessages": waiting.to_string(),
        "ApproximateNumberOfMessagesNotVisible": in_flight.to_string(),
        "ApproximateNumberOfMessagesDelayed": "0",
    }}))
}

fn url(ask: &Ask<'_>, _: &Queue) -> Reply {
    Ok(json!({ "QueueUrl": ask.world.queue_url() }))
}

fn send(ask: &Ask<'_>, queue: &Queue) -> Reply {
    let body = ask.get("MessageBody").unwrap_or_default();
    let id = queue.post(News::Text(body.into()), ask.now, ask.now);
    Ok(json!({ "MessageId": id }))
}
