//! What stands before every route: whose request it is, how large and how slow it may be, and what browsers are told.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::compression::CompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::trace::TraceLayer;

use crate::pages::PageError;
use crate::problem::{Code, Problem};
use crate::state::Shared;

/// Nothing but our own style sheet, icons and forms: a script that slips through escaping still does not run.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
    frame-ancestors 'none'";

/// Puts all guards around the routes.
pub(crate) fn protect(routes: Router<Shared>, app: &Shared) -> Router<Shared> {
    let limit = app.config.body_limit_bytes;
    routes
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(limit))
        .layer(RequestBodyLimitLayer::new(limit))
        .layer(from_fn(validators))
        .layer(from_fn_with_state(app.clone(), in_time))
        .layer(from_fn_with_state(app.clone(), own_site))
        .layer(from_fn_with_state(app.clone(), own_host))
        .layer(CompressionLayer::new())
        .layer(from_fn(headers))
        .layer(TraceLayer::new_for_http())
}

/// A problem in the form that the path's readers understand.
pub(crate) fn answer(path: &str, problem: Problem) -> Response {
    if path.starts_with("/api/") { problem.into_response() } else { PageError(problem).into_response() }
}

async fn no_route(request: Request) -> Response {
    let path = request.uri().path();
    answer(path, Code::NoSuchRoute.with(format!("Nothing is at {path}.")))
}

async fn no_method(request: Request) -> Response {
    let path = request.uri().path();
    answer(path, Code::Method.with(format!("{} cannot be used on {path}.", request.method())))
}

/// A name that resolves to loopback only by somebody else's DNS must not reach the server (DNS rebinding).
async fn own_host(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|a| a.as_str())).unwrap_or_default();
    if is_own(&app, host) {
        return next.run(request).await;
    }
    let detail = format!("{host:?} is not a name of this server; use localhost, or configure the name.");
    answer(request.uri().path(), Code::WrongHost.with(detail))
}

fn is_own(app: &Shared, host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    let configured = app.config.allowed_hosts.iter().any(|own| own.eq_ignore_ascii_case(name));
    // A configured name may be served through a proxy on another port.
    configured || (is_own_address(app, name) && port == Some(app.port))
}

/// Loopback, or the very address that it was told to listen on. An address cannot be rebound, a name can.
fn is_own_address(app: &Shared, name: &str) -> bool {
    let listen = app.config.listen.ip();
    let listen = if listen.is_ipv6() { format!("[{listen}]") } else { listen.to_string() };
    ["localhost", "127.0.0.1", "[::1]", listen.as_str()].contains(&name)
}

/// A page of another site must not change anything here (CSRF). Clients that are no browsers send neither header.
async fn own_site(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method()) {
        return next.run(request).await;
    }
    if is_same_site(&app, request.headers()) {
        return next.run(request).await;
    }
    answer(
        request.uri().path(),
        Code::CrossSite.with("Open this server's own page and send the form from there."),
    )
}

fn is_same_site(app: &Shared, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
    let fetched = text(HeaderName::from_static("sec-fetch-site"));
    let from_own_site = fetched.is_none_or(|site| ["same-origin", "none"].contains(&site));
    let from_own_origin = text(header::ORIGIN).is_none_or(|origin| {
        let host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        host.is_some_and(|host| is_own(app, host))
    });
    from_own_site && from_own_origin
}

async fn in_time(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let limit = app.config.timeout;
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("It was not done after {} s; ask for less at a time.", limit.as_secs_f32());
            answer(&path, Code::TooSlow.with(detail))
        }
    }
}

/// Gives every successful GET a validator of its content, and spares the content when the client has it.
async fn validators(request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET;
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    // The body limit layer answers in plain text of its own.
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE
        && !response.headers().contains_key("content-security-policy")
        && !is_problem(response.headers())
    {
        return answer(
            &path,
            Code::TooLarge.with("The upload is larger than this server accepts; split it."),
        );
    }
    if !reads || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return answer(&path, Code::Internal.with("The answer could not be completed."));
    };
    let digest = underpin_store::sha256_hex(&bytes);
    let tag = format!("W/\"{}\"", digest.get(..32).unwrap_or_default());
    if let Ok(value) = HeaderValue::from_str(&tag) {
        parts.headers.insert(header::ETAG, value);
    }
    parts.headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    let matches = |v: &HeaderValue| {
        v.to_str().is_ok_and(|v| v.split(',').any(|one| one.trim() == tag || one.trim() == "*"))
    };
    if known.as_ref().is_some_and(matches) {
        parts.status = StatusCode::NOT_MODIFIED;
        parts.headers.remove(header::CONTENT_TYPE);
        parts.headers.remove(header::CONTENT_LENGTH);
        return Response::from_parts(parts, Body::empty());
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn is_problem(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/problem+json") || kind.starts_with("text/html")
}

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
