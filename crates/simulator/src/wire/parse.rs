//! From HTTP to a call: which service, which operation, who signed.

use http::{HeaderMap, Method, Uri, header};
use serde_json::Value;

use crate::call::{Input, Params, Request, Service};

/// What a request on the wire is.
pub(crate) enum Parsed {
    /// A call of a service.
    Call(Request),
    /// A request to the simulator itself: `/_sim/…`.
    Control,
    /// Nothing that AWS would know.
    Unknown(&'static str),
}

/// Reads a request.
pub(crate) fn parse(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Parsed {
    if uri.path().starts_with("/_sim/") {
        return Parsed::Control;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let scope = text(header::AUTHORIZATION.as_str()).and_then(credential);
    let (access_key, region, signed_for) = match scope {
        Some(scope) => (
            Some(scope.key.to_owned()),
            scope.region.to_owned(),
            Some(scope.service),
        ),
        None => (None, "us-east-1".to_owned(), None),
    };
    let session_token = text("x-amz-security-token").map(str::to_owned);
    if let Some(target) = text("x-amz-target") {
        let known = [
            ("AWSOrganizationsV20161128.", Service::Organizations),
            ("AmazonSQS.", Service::Sqs),
        ];
        let found = known
            .into_iter()
            .find_map(|(prefix, service)| Some((target.strip_prefix(prefix)?, service)));
        let Some((operation, service)) = found else {
            return Parsed::Unknown("an X-Amz-Target of another service");
        };
        let body = if body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(body)
        };
        let Ok(body) = body else {
            return Parsed::Unknown("a body that is no JSON");
        };
        let (operation, input) = (operation.to_owned(), Input::Json(body));
        return Parsed::Call(Request {
            service,
            operation,
            access_key,
            session_token,
            region,
            input,
        });
    }
    let params = if method == Method::GET {
        Params::parse(uri.query().unwrap_or_default())
    } else {
        Params::parse(&String::from_utf8_lossy(body))
    };
    let Some(operation) = params.get("Action").map(str::to_owned) else {
        return Parsed::Unknown("neither X-Amz-Target nor Action");
    };
    let service = match (signed_for, params.get("Version")) {
        (Some("sts"), _) | (None, Some("2011-06-15")) => Service::Sts,
        (Some("iam"), _) | (None, Some("2010-05-08")) => Service::Iam,
        _ => return Parsed::Unknown("a service that is not simulated"),
    };
    Parsed::Call(Request {
        service,
        operation,
        access_key,
        session_token,
        region,
        input: Input::Query(params),
    })
}

/// The scope of a signature.
struct Scope<'a> {
    key: &'a str,
    region: &'a str,
    service: &'a str,
}

/// `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`.
fn credential(header: &str) -> Option<Scope<'_>> {
    let fields = header.strip_prefix("AWS4-HMAC-SHA256")?;
    let scope = fields
        .split(',')
        .find_map(|field| field.trim().strip_prefix("Credential="))?;
    let mut parts = scope.split('/');
    let (key, _date) = (parts.next()?, parts.next()?);
    Some(Scope {
        key,
        region: parts.next()?,
        service: parts.next()?,
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri};

    use super::{Parsed, parse};
    use crate::call::Service;

    fn call(
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Option<(Service, String, Option<String>)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header value"));
        }
        match parse(&Method::POST, &Uri::from_static("/"), &map, body.as_bytes()) {
            Parsed::Call(request) => Some((request.service, request.operation, request.access_key)),
            Parsed::Control | Parsed::Unknown(_) => None,
        }
    }

    #[test]
    fn the_signature_tells_the_service_and_the_key() {
        let signed = "AWS4-HMAC-SHA256 Credential=AKIA1/20261124/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=00";
        let found = call(
            &[("authorization", signed)],
            "Action=GetRole&Version=2010-05-08&RoleName=a%2Bb",
        );
        assert_eq!(
            found,
            Some((Service::Iam, "GetRole".to_owned(), Some("AKIA1".to_owned())))
        );
        let found = call(
            &[("x-amz-target", "AWSOrganizationsV20161128.ListRoots")],
            "{}",
        );
        assert_eq!(
            found,
            Some((Service::Organizations, "ListRoots".to_owned(), None))
        );
        assert_eq!(call(&[], "hello"), None);
    }
}
