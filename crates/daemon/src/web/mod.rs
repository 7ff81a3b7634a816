//! The page: static files in the binary. It holds no data; what it shows it reads
//! from the API.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

use crate::api::ApiState;

#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// Scripts, styles and requests from this origin alone; nobody may frame the page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The page and its files.
pub(crate) fn router() -> Router<ApiState> {
    Router::new()
        .route("/", get(async || file("index.html")))
        .route(
            "/assets/{*path}",
            get(async |Path(path): Path<String>| file(&path)),
        )
}

fn file(path: &str) -> Response {
    let Some(asset) = Assets::get(path) else {
        return (StatusCode::NOT_FOUND, "no such file\n").into_response();
    };
    let content_type = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        // The files change with the binary: a browser asks again each time.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, asset.data).into_response()
}
