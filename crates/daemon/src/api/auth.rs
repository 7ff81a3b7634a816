//! Who may ask.
//!
//! With a token, everything but `/healthz`, `/readyz` and the page's empty shell
//! needs it. Without one, reading is for this host only and writing for nobody.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::ApiState;
use super::problem::Problem;

/// Lets a request through, or says why not.
pub(crate) async fn guard(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    match judge(state.token.as_ref(), &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn judge(token: Option<&SecretString>, request: &Request) -> Result<(), Problem> {
    match token {
        None if request.method() != Method::GET && request.method() != Method::HEAD => {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "no token is configured (`http.token_file`), so nothing can be changed over HTTP",
            ))
        }
        None if !names_this_host(request) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "without a token only requests to localhost are answered",
        )),
        None => Ok(()),
        Some(token) if bears(request, token) => Ok(()),
        Some(_) => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "an `Authorization: Bearer …` header with the token of `http.token_file` is needed",
        )),
    }
}

/// Compares in constant time: how long a wrong token takes says nothing about
/// the right one.
fn bears(request: &Request, token: &SecretString) -> bool {
    let Some(offered) = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, offered)| offered.trim())
    else {
        return false;
    };
    offered
        .as_bytes()
        .ct_eq(token.expose_secret().as_bytes())
        .into()
}

/// A page of another site can make a browser resolve that site's name to this
/// host and then read the answers; the `Host` header gives it away.
fn names_this_host(request: &Request) -> bool {
    let Some(host) = request
        .headers()
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
    else {
        return true;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test panics on purpose")]

    use axum::body::Body;

    use super::*;

    fn request(method: Method, host: &str, authorization: Option<&str>) -> Request {
        let mut builder = Request::builder()
            .method(method)
            .uri("/api/v1/summary")
            .header("host", host);
        if let Some(value) = authorization {
            builder = builder.header("authorization", value);
        }
        builder.body(Body::empty()).unwrap()
    }

    #[track_caller]
    fn check(token: Option<&str>, method: Method, host: &str, offered: Option<&str>, status: u16) {
        let token = token.map(SecretString::from);
        let judged = judge(token.as_ref(), &request(method, host, offered));
        assert_eq!(
            judged.map_or_else(|problem| problem.status, |()| 200),
            status
        );
    }

    #[test]
    fn without_a_token_this_host_may_read_and_nobody_may_write() {
        check(None, Method::GET, "127.0.0.1:9464", None, 200);
        check(None, Method::GET, "[::1]:9464", None, 200);
        check(None, Method::GET, "localhost", None, 200);
        check(None, Method::GET, "rebound.example:9464", None, 403);
        check(None, Method::POST, "localhost", None, 403);
        check(
            None,
            Method::POST,
            "localhost",
            Some("Bearer anything"),
            403,
        );
    }

    #[test]
    fn with_a_token_everybody_needs_it() {
        check(
            Some("s3cret"),
            Method::GET,
            "keeper.example",
            Some("Bearer s3cret"),
            200,
        );
        check(
            Some("s3cret"),
            Method::POST,
            "keeper.example",
            Some("bearer s3cret"),
            200,
        );
        check(Some("s3cret"), Method::GET, "localhost", None, 401);
        check(
            Some("s3cret"),
            Method::GET,
            "localhost",
            Some("Bearer s3cre"),
            401,
        );
        check(
            Some("s3cret"),
            Method::GET,
            "localhost",
            Some("Bearer s3cret2"),
            401,
        );
        check(
            Some("s3cret"),
            Method::GET,
            "localhost",
            Some("Basic s3cret"),
            401,
        );
        check(
            Some("s3cret"),
            Method::GET,
            "localhost",
            Some("Bearer"),
            401,
        );
    }
}
