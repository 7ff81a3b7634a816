//! The adapter over a wire that a test holds both ends of: what is sent, and what
//! is made of every kind of answer.

#![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use rolekeeper_aws::{
    Aws, ClientBuilder, HubKeys, Settings, Transport, TransportFailure, TransportFuture,
};
use rolekeeper_domain::account::AccountId;
use rolekeeper_domain::fault::{Category, Denial, Fault};
use rolekeeper_domain::role::RoleName;
use rolekeeper_engine::port::clock::Clock;
use rolekeeper_engine::port::directory::Directory;
use rolekeeper_engine::port::session::{Entry, RoleReader, SessionProvider, SessionRequest};

const HUB_SECRET: &str = "wJalrXUtnFEMI-hub-secret";
const SESSION_SECRET: &str = "wJalrXUtnFEMI-session-secret";
const SESSION_TOKEN: &str = "FwoGZXIvYXdzEBYa-session-token";

/// What was sent.
#[derive(Clone, Debug)]
struct Sent {
    host: String,
    authorization: String,
    date: String,
    token: Option<String>,
    agent: String,
    body: String,
}

impl Sent {
    fn operation(&self) -> &str {
        let action = self
            .body
            .split('&')
            .find_map(|field| field.strip_prefix("Action="));
        action.unwrap_or_default()
    }
}

type Answer = fn(&Sent) -> Result<(u16, String), TransportFailure>;

#[derive(Clone)]
struct Wire {
    answer: Answer,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Transport for Wire {
    fn carry(&self, request: http::Request<Bytes>) -> TransportFuture {
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let sent = Sent {
            host: request.uri().host().unwrap().to_owned(),
            authorization: header("authorization").unwrap_or_default(),
            date: header("x-amz-date").unwrap_or_default(),
            token: header("x-amz-security-token"),
            agent: header("user-agent").unwrap_or_default(),
            body: String::from_utf8(request.body().to_vec()).unwrap(),
        };
        let answer = (self.answer)(&sent);
        self.sent.lock().unwrap().push(sent);
        Box::pin(async move {
            let (status, body) = answer?;
            let response = http::Response::builder().status(status);
            Ok(response
                .header("x-amzn-requestid", "req-1")
                .body(Bytes::from(body))
                .unwrap())
        })
    }
}

/// A clock that stands still and never ends a wait.
struct Frozen;

impl Clock for Frozen {
    fn now(&self) -> Timestamp {
        "2026-11-24T06:30:00Z".parse().unwrap()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {
        std::future::pending::<()>().await;
    }
}

async fn world(answer: Answer) -> (Aws, Wire) {
    world_with(answer, |_| ()).await
}

async fn world_with(answer: Answer, change: impl FnOnce(&mut Settings)) -> (Aws, Wire) {
    let wire = Wire {
        answer,
        sent: Arc::default(),
    };
    let keys = HubKeys::Keys {
        access_key_id: "AKIAHUBHUBHUBHUBHUB1".to_owned(),
        secret_access_key: HUB_SECRET.to_owned().into(),
        session_token: None,
    };
    let mut settings = Settings {
        keys,
        ..Settings::default()
    };
    change(&mut settings);
    let builder = ClientBuilder::new(settings);
    let aws = builder
        .with_transport(wire.clone())
        .with_clock(Arc::new(Frozen))
        .build()
        .await;
    (aws.unwrap(), wire)
}

const IDENTITY: &str = "<GetCallerIdentityResponse><GetCallerIdentityResult>\
    <Arn>arn:aws:iam::999988887777:user/rolekeeper</Arn><UserId>AIDA</UserId><Account>999988887777</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

fn session_in(account: &str) -> String {
    format!(
        "<AssumeRoleResponse><AssumeRoleResult><AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>\
         <Arn>arn:aws:sts::{account}:assumed-role/Admin/x</Arn></AssumedRoleUser><Credentials>\
         <AccessKeyId>ASIASESSIONSESSION01</AccessKeyId><SecretAccessKey>{SESSION_SECRET}</SecretAccessKey>\
         <SessionToken>{SESSION_TOKEN}</SessionToken><Expiration>2026-11-24T06:45:00Z</Expiration>\
         </Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
}

fn ordinary(sent: &Sent) -> Result<(u16, String), TransportFailure> {
    Ok(match sent.operation() {
        "GetCallerIdentity" => (200, IDENTITY.to_owned()),
        "AssumeRole" => (200, session_in("111122223333")),
        _ => (
            404,
            error(
                "NoSuchEntity",
                "The role with name Auditor cannot be found.",
            ),
        ),
    })
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
         <RequestId>req-1</RequestId></ErrorResponse>"
    )
}

fn account() -> AccountId {
    "111122223333".parse().unwrap()
}

fn request(entry: &Entry) -> SessionRequest<'_> {
    SessionRequest {
        account: account(),
        entry,
        label: "20261124T063000Z-0badcafe",
        roles: &[],
    }
}

fn admin() -> Entry {
    Entry::AdminRole("team/Admin".to_owned())
}

fn auditor() -> RoleName {
    "Auditor".parse().unwrap()
}

async fn role_fault(answer: Answer) -> (Fault, usize) {
    let (aws, wire) = world(answer).await;
    let reader = aws.sessions().reader(request(&admin())).await.unwrap();
    let fault = reader.role(&auditor()).await.unwrap_err();
    let attempts = wire
        .sent
        .lock()
        .unwrap()
        .iter()
        .filter(|sent| sent.operation() == "GetRole")
        .count();
    (fault, attempts)
}

#[tokio::test]
async fn a_session_is_named_narrowed_and_signed_with_the_hubs_keys() {
    let (aws, wire) = world_with(ordinary, |settings| {
        settings.source_identity = Some("alice".to_owned())
    })
    .await;
    let reader = aws.sessions().reader(request(&admin())).await.unwrap();
    assert_eq!(
        reader.expires_at(),
        Some("2026-11-24T06:45:00Z".parse().unwrap())
    );

    let sent = wire.sent.lock().unwrap().clone();
    let operations: Vec<&str> = sent.iter().map(Sent::operation).collect();
    assert_eq!(operations, ["GetCallerIdentity", "AssumeRole"]);
    let assume = sent.last().unwrap();
    assert!(
        assume
            .authorization
            .contains("Credential=AKIAHUBHUBHUBHUBHUB1/20261124/us-east-1/sts")
    );
    assert_eq!(assume.date, "20261124T063000Z");
    assert!(assume.agent.contains("app/rolekeeper-"), "{}", assume.agent);
    let body = percent_encoding::percent_decode_str(&assume.body)
        .decode_utf8()
        .unwrap();
    for field in [
        "RoleArn=arn:aws:iam::111122223333:role/team/Admin",
        "RoleSessionName=rolekeeper-20261124T063000Z-0badcafe",
        "DurationSeconds=900",
        "SourceIdentity=alice",
        r#"Policy={"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetPolicy","#,
    ] {
        assert!(body.contains(field), "{field} is not in {body}");
    }
}

#[tokio::test]
async fn calls_in_an_account_are_signed_with_its_sessions_credentials() {
    let (aws, wire) = world(ordinary).await;
    let reader = aws.audit_only().reader(request(&admin())).await.unwrap();
    assert!(reader.role(&auditor()).await.unwrap().is_none());
    let sent = wire.sent.lock().unwrap();
    let look = sent.last().unwrap();
    assert_eq!(look.operation(), "GetRole");
    assert_eq!(look.host, "iam.amazonaws.com");
    assert!(
        look.authorization
            .contains("Credential=ASIASESSIONSESSION01/20261124/us-east-1/iam")
    );
    assert_eq!(look.token.as_deref(), Some(SESSION_TOKEN));
}

#[tokio::test]
async fn a_session_in_another_account_than_asked_for_is_not_used() {
    let (aws, wire) = world(|sent| match sent.operation() {
        "AssumeRole" => Ok((200, session_in("444455556666"))),
        _ => ordinary(sent),
    })
    .await;
    let fault = aws.sessions().reader(request(&admin())).await.unwrap_err();
    assert_eq!(fault.category, Category::Internal);
    assert!(fault.message.contains("444455556666"), "{}", fault.message);
    assert_eq!(wire.sent.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_hubs_own_credentials_never_enter_another_account() {
    let (aws, _) = world(ordinary).await;
    let fault = aws
        .sessions()
        .reader(request(&Entry::Hub))
        .await
        .unwrap_err();
    assert_eq!(fault.message, "the hub is 999988887777, not 111122223333");
    let hub = SessionRequest {
        account: "999988887777".parse().unwrap(),
        ..request(&Entry::Hub)
    };
    assert_eq!(aws.sessions().reader(hub).await.unwrap().expires_at(), None);
}

#[tokio::test]
async fn a_denied_session_says_who_denied() {
    let (aws, _) = world(|sent| match sent.operation() {
        "AssumeRole" => Ok((403, error("AccessDenied", "not authorized to perform: sts:AssumeRole with an explicit deny in a resource control policy"))),
        _ => ordinary(sent),
    })
    .await;
    let fault = aws.sessions().reader(request(&admin())).await.unwrap_err();
    assert_eq!(
        (fault.category, fault.denial),
        (Category::AccessDenied, Some(Denial::ResourceControlPolicy))
    );
    assert_eq!(fault.request_id.as_deref(), Some("req-1"));
}

#[tokio::test]
async fn every_kind_of_bad_answer_has_its_category_after_one_attempt() {
    let rows: [(Answer, Category, &str); 8] = [
        (
            |sent| in_role(sent, 502, ""),
            Category::Service,
            "HTTP 502 without an error code",
        ),
        (
            |sent| in_role(sent, 503, "<html><h1>503</h1></html>"),
            Category::Service,
            "HTTP 503 without an error code",
        ),
        (
            |sent| in_role(sent, 429, ""),
            Category::Throttled,
            "HTTP 429 without an error code",
        ),
        (
            |sent| in_role(sent, 404, "not found"),
            Category::NotFound,
            "HTTP 404 without an error code",
        ),
        (
            |sent| in_role(sent, 200, ""),
            Category::Service,
            "malformed reply (HTTP 200)",
        ),
        (
            |sent| in_role(sent, 200, "<html>log in first</html>"),
            Category::Service,
            "malformed reply (HTTP 200)",
        ),
        (
            |sent| {
                failing(
                    sent,
                    TransportFailure::Connection("connection refused".into()),
                )
            },
            Category::Network,
            "connection refused",
        ),
        (
            |sent| failing(sent, TransportFailure::Timeout("read".into())),
            Category::Timeout,
            "",
        ),
    ];
    for (answer, category, words) in rows {
        let (fault, attempts) = role_fault(answer).await;
        assert_eq!(fault.category, category, "{fault}");
        assert!(fault.message.contains(words), "{fault}");
        assert_eq!(attempts, 1, "{fault}");
    }
}

fn in_role(sent: &Sent, status: u16, body: &str) -> Result<(u16, String), TransportFailure> {
    if sent.operation() == "GetRole" {
        Ok((status, body.to_owned()))
    } else {
        ordinary(sent)
    }
}

fn failing(sent: &Sent, failure: TransportFailure) -> Result<(u16, String), TransportFailure> {
    if sent.operation() == "GetRole" {
        Err(failure)
    } else {
        ordinary(sent)
    }
}

#[tokio::test]
async fn a_truncated_page_without_a_marker_is_not_the_end() {
    let (aws, _) = world(|sent| match sent.operation() {
        "ListRolePolicies" => Ok((
            200,
            "<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames/><IsTruncated>true</IsTruncated>\
             </ListRolePoliciesResult></ListRolePoliciesResponse>"
                .to_owned(),
        )),
        _ => ordinary(sent),
    })
    .await;
    let reader = aws.sessions().reader(request(&admin())).await.unwrap();
    let fault = reader.inline_names(&auditor(), None).await.unwrap_err();
    assert_eq!(fault.category, Category::Service);
}

#[tokio::test]
async fn the_partition_is_that_of_the_callers_arn() {
    let (aws, wire) = world(|sent| match sent.operation() {
        "GetCallerIdentity" => Ok((200, IDENTITY.replace("arn:aws:", "arn:aws-us-gov:"))),
        _ => ordinary(sent),
    })
    .await;
    aws.sessions().reader(request(&admin())).await.unwrap();
    let sent = wire.sent.lock().unwrap();
    let body = percent_encoding::percent_decode_str(&sent.last().unwrap().body)
        .decode_utf8()
        .unwrap();
    assert!(
        body.contains("RoleArn=arn:aws-us-gov:iam::111122223333:role/team/Admin"),
        "{body}"
    );
    assert!(!body.contains("arn:aws:"), "{body}");
}

#[tokio::test]
async fn the_organization_role_is_assumed_once_and_reads_the_organization() {
    let (aws, wire) = world_with(
        |sent| match sent.operation() {
            "" => Ok((200, r#"{"Accounts": [], "NextToken": "more"}"#.to_owned())),
            _ => ordinary(sent),
        },
        |settings| {
            settings.organization_role =
                Some("arn:aws:iam::111122223333:role/Reader".parse().unwrap());
        },
    )
    .await;
    let directory = aws.directory();
    for _ in 0..3 {
        let page = directory.accounts(None).await.unwrap();
        assert_eq!((page.items.len(), page.next.as_deref()), (0, Some("more")));
    }
    let sent = wire.sent.lock().unwrap();
    let operations: Vec<&str> = sent.iter().map(Sent::operation).collect();
    assert_eq!(operations, ["AssumeRole", "", "", ""]);
    assert!(
        sent.last()
            .unwrap()
            .authorization
            .contains("Credential=ASIASESSIONSESSION01")
    );
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_a_secret() {
    let (aws, _) = world(ordinary).await;
    let sessions = aws.sessions();
    let reader = sessions.reader(request(&admin())).await.unwrap();
    let shown = format!(
        "{aws:?} {sessions:?} {:?} {reader:?} {:?}",
        aws.audit_only(),
        aws.directory()
    );
    for secret in [HUB_SECRET, SESSION_SECRET, SESSION_TOKEN] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_session_shorter_than_sts_allows_is_refused_at_the_start() {
    let settings = Settings {
        session_duration: Duration::from_secs(60),
        ..Settings::default()
    };
    let error = ClientBuilder::new(settings).build().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "a session cannot last 60 s: 900 to 43200 are allowed"
    );
}
