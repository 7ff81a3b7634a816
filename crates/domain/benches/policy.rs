//! How long it takes to read, bring into canonical form, compare and evaluate
//! policies: the FAQ's own, ones at AWS's size limits, and hostile ones.
//!
//! `cargo bench -p rolekeeper-domain` prints a table. Run by the test harness
//! (with `--test`), each row runs once.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rolekeeper_domain::policy::{
    Authority, ConditionContext, Context, Document, Kind, LintContext, Policies, Principal,
    Request, compare, compare_authority, evaluate, lint,
};

const FAQ: &str = r#"{"Version":"2012-10-17","Statement":[{"Action":["*"],"Effect":"Allow","Resource":"*"},{"Action":["iam:CreateUser"],"Effect":"Deny","Resource":"*"}]}"#;
const FAQ_OTHERWISE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"IAM:createuser","Resource":["*"]},{"Effect":"Allow","Action":["*:*","s3:*"],"Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"a-shared-secret"}}}]}"#;
const TRUST_OPEN: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"999999999999"},"Action":"sts:AssumeRole"}]}"#;

fn main() {
    let once = std::env::args().any(|a| a == "--test");
    let bench = Bench { once };
    bench.row("read the FAQ's policy", || read(Kind::Identity, FAQ));
    bench.row("read and canonicalize the FAQ's policy", || {
        read(Kind::Identity, FAQ).fingerprint().len()
    });
    let faq = read(Kind::Identity, FAQ);
    let otherwise = read(Kind::Identity, FAQ_OTHERWISE);
    let everything = read(
        Kind::Identity,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
    );
    bench.row("compare: the FAQ's policy with itself", || {
        compare(&faq, &faq.clone(), &Context::default())
    });
    bench.row("read, compare: the FAQ's policy, same text", || {
        compare(&faq, &read(Kind::Identity, FAQ), &Context::default())
    });
    bench.row("compare: the FAQ's policy, other structure", || {
        compare(&faq, &otherwise, &Context::default())
    });
    bench.row("compare: the FAQ's policy, denial gone", || {
        compare(&faq, &everything, &Context::default())
    });
    let trust = read(Kind::Trust, TRUST);
    let open = read(Kind::Trust, TRUST_OPEN);
    bench.row("compare: trust without the external id", || {
        compare(&trust, &open, &Context::default())
    });
    let (one, other) = ([faq.clone()], [everything.clone()]);
    let before = Authority {
        trust: Some(&trust),
        policies: &one,
        boundary: None,
    };
    let after = Authority {
        trust: Some(&open),
        policies: &other,
        boundary: None,
    };
    bench.row("compare: the role as a whole", || {
        compare_authority(&before, &after, &Context::default())
    });
    bench.row("lint the FAQ's policy", || {
        lint(&faq, &LintContext::default())
    });
    let request = Request {
        principal: Principal::Session {
            role: "arn:aws:iam::111122223333:role/x".into(),
            name: "s".into(),
        },
        action: "s3:GetObject".into(),
        resource: "arn:aws:s3:::bucket/key".into(),
        context: ConditionContext::new(),
    };
    let policies = Policies {
        identity: &one,
        same_account: true,
        ..Policies::default()
    };
    bench.row("evaluate one request", || evaluate(&request, &policies));

    let full = read(Kind::Identity, &full_size(0));
    let full_other = read(Kind::Identity, &full_size(1));
    bench.row("6,144 characters: read, canonicalize", || {
        read(Kind::Identity, &full_size(0)).fingerprint().len()
    });
    bench.row("6,144 characters: compare", || {
        compare(&full, &full_other, &Context::default())
    });
    let (stars, more) = (
        read(Kind::Identity, &hostile(40, 'a')),
        read(Kind::Identity, &hostile(40, 'c')),
    );
    bench.row("hostile wildcards: compare", || {
        compare(&stars, &more, &Context::default())
    });
    let (keys, other_keys) = (
        read(Kind::Identity, &many_keys("x")),
        read(Kind::Identity, &many_keys("y")),
    );
    bench.row("40 condition keys: compare", || {
        compare(&keys, &other_keys, &Context::default())
    });
}

#[expect(clippy::panic, reason = "the documents are the benchmark's own")]
fn read(kind: Kind, text: &str) -> Document {
    Document::parse(kind, text).unwrap_or_else(|error| panic!("{error}"))
}

/// A policy as long as AWS accepts one, of the kind that people write.
fn full_size(variant: usize) -> String {
    let mut statements = Vec::new();
    let services = [
        "s3", "ec2", "iam", "sqs", "sns", "rds", "kms", "ssm", "logs", "ecs", "eks", "ecr", "glue",
    ];
    let mut n = 0;
    while statements.join(",").len() < 5_800 {
        let service = services.get(n % services.len()).copied().unwrap_or("s3");
        statements.push(format!(
            "{{\"Effect\":\"{}\",\"Action\":[\"{service}:Get*\",\"{service}:ListThing{n}\",\"{service}:DescribeSome{}\"],\
             \"Resource\":[\"arn:aws:{service}:*:111122223333:thing/{n}/*\"],\
             \"Condition\":{{\"StringEquals\":{{\"aws:ResourceTag/team\":\"team-{}\"}}}}}}",
            if n % 7 == 3 { "Deny" } else { "Allow" },
            n + variant,
            n % 3,
        ));
        n += 1;
    }
    format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[{}]}}",
        statements.join(",")
    )
}

/// Wildcards whose automaton grows beyond every bound.
fn hostile(count: usize, letter: char) -> String {
    let all = (0..count).map(|k| {
        format!(
            "\"arn:*{letter}{}*b{}*\"",
            "?".repeat(k % 9),
            "a".repeat(k % 7)
        )
    });
    let all: Vec<String> = all.collect();
    format!(
        "{{\"Statement\":{{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":[{}]}}}}",
        all.join(",")
    )
}

fn many_keys(value: &str) -> String {
    let statement = |n: usize| {
        format!(
            "{{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\",\"Condition\":{{\"StringEquals\":{{\"aws:PrincipalTag/k{n}\":\"{value}\"}}}}}}"
        )
    };
    format!(
        "{{\"Statement\":[{}]}}",
        (0..40).map(statement).collect::<Vec<_>>().join(",")
    )
}

struct Bench {
    once: bool,
}

impl Bench {
    /// The best and the middle of some runs, each long enough to be timed.
    fn row<T>(&self, name: &str, work: impl Fn() -> T) {
        if self.once {
            black_box(work());
            return;
        }
        let first = timed(1, &work);
        let budget = Duration::from_millis(300);
        let each =
            u32::try_from((budget.as_nanos() / 15 / first.as_nanos().max(1)).clamp(1, 100_000))
                .unwrap_or(1);
        let rounds = if first > Duration::from_millis(100) {
            3
        } else {
            15
        };
        let mut times: Vec<Duration> = (0..rounds).map(|_| timed(each, &work) / each).collect();
        times.sort();
        let micros = |n: usize| times.get(n).map_or(0.0, |t| t.as_secs_f64() * 1e6);
        say(&format!(
            "{name:45} {:>12.2} us {:>12.2} us",
            micros(0),
            micros(times.len() / 2)
        ));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures wall-clock time"
)]
fn timed<T>(times: u32, work: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        black_box(work());
    }
    start.elapsed()
}

#[expect(clippy::print_stdout, reason = "this is the program's one output")]
fn say(text: &str) {
    println!("{text}");
}
