//! The one connection pool.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// How long an unused connection is kept. AWS's own front ends close at 60 s or
/// later; a connection closed under a request is a failed attempt.
const IDLE: Duration = Duration::from_secs(50);

/// Connectors by connect and read timeout: the service clients share one, the
/// credential chain's metadata look-ups bring shorter timeouts of their own.
type ByTimeouts = BTreeMap<(Option<Duration>, Option<Duration>), SharedHttpConnector>;

/// An HTTP client that honours `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and
/// `NO_PROXY`, but never sends loopback or link-local traffic (simulators, the
/// metadata services) through a proxy.
#[derive(Debug)]
pub(crate) struct Pool {
    max_idle: usize,
    connectors: Mutex<ByTimeouts>,
}

impl Pool {
    pub(crate) const fn new(max_idle: usize) -> Self {
        Self {
            max_idle,
            connectors: Mutex::new(BTreeMap::new()),
        }
    }

    fn connector(
        &self,
        proxy: ProxyConfig,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> Connector {
        let mut builder = ConnectorBuilder::default()
            .enable_tcp_nodelay(true)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(self.max_idle)
            .proxy_config(proxy)
            .connector_settings(settings.clone());
        builder.set_sleep_impl(components.sleep_impl());
        builder
            .tls_provider(tls::Provider::rustls(CryptoMode::Ring))
            .build()
    }
}

impl HttpClient for Pool {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let key = (settings.connect_timeout(), settings.read_timeout());
        let mut connectors = self
            .connectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            SharedHttpConnector::new(Routed {
                direct: self.connector(ProxyConfig::disabled(), settings, components),
                proxied: self.connector(ProxyConfig::from_env(), settings, components),
            })
        };
        connectors.entry(key).or_insert_with(fresh).clone()
    }
}

#[derive(Debug)]
struct Routed {
    direct: Connector,
    proxied: Connector,
}

impl HttpConnector for Routed {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_near(request.uri()) {
            self.direct.call(request)
        } else {
            self.proxied.call(request)
        }
    }
}

/// Whether the address is on this machine or on its link.
fn is_near(uri: &str) -> bool {
    let Some(host) = uri
        .parse::<http::Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned))
    else {
        return false;
    };
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    match host.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        // fd00:ec2::/32 holds the metadata service and the container endpoints.
        Ok(IpAddr::V6(address)) => {
            address.is_loopback()
                || address.is_unicast_link_local()
                || address.segments().starts_with(&[0xfd00, 0xec2])
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn only_loopback_and_link_local_bypass_the_proxy() {
        for (uri, near) in [
            ("https://iam.amazonaws.com/", false),
            ("https://sts.eu-central-1.amazonaws.com/", false),
            ("http://10.0.0.7:4566/", false),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1:5000/", true),
            ("http://localhost:5000/", true),
            ("http://[::1]:5000/", true),
            ("http://169.254.169.254/latest/api/token", true),
            ("http://169.254.170.2/v2/credentials", true),
            ("http://[fd00:ec2::254]/latest", true),
        ] {
            assert_eq!(is_near(uri), near, "{uri}");
        }
    }
}
