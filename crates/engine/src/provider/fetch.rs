//! One request: bounded in time, size, redirects and attempts, and only to where the options allow.

use std::error::Error as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

use super::PullOptions;
use crate::progress::Progress;
use crate::quarantine::hex;

/// Longest pause that a server may ask for between two attempts.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// What a server said about the version that it sent, to be repeated in a conditional request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// Why there is no body.
#[derive(Debug)]
pub(super) enum NoBody {
    /// 404 or 410.
    Missing(String),
    /// Anything else, after the last attempt.
    Failed(String),
}

impl NoBody {
    pub(super) fn into_reason(self) -> String {
        match self {
            Self::Missing(reason) | Self::Failed(reason) => reason,
        }
    }
}

/// A body that arrived whole; its bytes are in the sink.
#[derive(Debug)]
pub(super) struct Body<S> {
    pub(super) sink: S,
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) sha512: String,
    pub(super) validators: Validators,
}

/// Requests to one provider.
pub(super) struct Fetcher {
    client: Client,
    options: PullOptions,
    /// Plain http only where the caller said so, or where the provider itself was named on the loopback interface.
    http_ok: bool,
    progress: Arc<dyn Progress>,
}

enum Attempt {
    Again { reason: String, after: Option<Duration> },
    Over(NoBody),
}

impl Fetcher {
    pub(super) fn new(
        start: &Url,
        options: &PullOptions,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, String> {
        // An error means that the process has a provider already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http_ok = options.allow_http || (start.scheme() == "http" && is_loopback(start));
        let most = options.max_redirects;
        let policy = redirect::Policy::custom(move |attempt| {
            let from_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
            if attempt.previous().contains(attempt.url()) {
                attempt.error("the redirects go round in a circle")
            } else if attempt.previous().len() > most {
                attempt.error(format!("more than {most} redirects"))
            } else if from_https && attempt.url().scheme() != "https" {
                attempt.error("a redirect from https to an unprotected address")
            } else if let Err(reason) = permitted(attempt.url(), http_ok) {
                attempt.error(reason)
            } else {
                attempt.follow()
            }
        });
        let mut builder = Client::builder()
            .user_agent(concat!("underpin/", env!("CARGO_PKG_VERSION")))
            .redirect(policy)
            .timeout(options.request_timeout)
            .connect_timeout(options.connect_timeout);
        if is_loopback(start) {
            builder = builder.no_proxy();
        }
        if let Some(pem) = &options.authorities_pem {
            builder = builder.tls_certs_merge(authorities(pem)?);
        }
        let client = builder.build().map_err(|error| chain(&error))?;
        Ok(Self { client, options: options.clone(), http_ok, progress })
    }

    /// Fetches into the sink that `open` makes, a new one for every attempt. `None`: not modified.
    pub(super) async fn get<S: Write>(
        &self,
        url: &Url,
        known: Option<&Validators>,
        limit: u64,
        open: impl Fn() -> io::Result<S>,
    ) -> Result<Option<Body<S>>, NoBody> {
        permitted(url, self.http_ok).map_err(NoBody::Failed)?;
        let mut pause = self.options.backoff;
        let mut attempt = 1;
        loop {
            match self.attempt(url, known, limit, &open).await {
                Ok(body) => return Ok(body),
                Err(Attempt::Over(no_body)) => return Err(no_body),
                Err(Attempt::Again { reason, .. }) if attempt >= self.options.attempts => {
                    return Err(NoBody::Failed(format!("{reason} ({attempt} attempts)")));
                }
                Err(Attempt::Again { reason, after }) => {
                    tracing::debug!(%url, attempt, reason, "fetching failed, trying again");
                    tokio::time::sleep(after.unwrap_or(pause).min(MAX_RETRY_AFTER)).await;
                    pause = pause.saturating_mul(4);
                    attempt += 1;
                }
            }
        }
    }

    async fn attempt<S: Write>(
        &self,
        url: &Url,
        known: Option<&Validators>,
        limit: u64,
        open: &impl Fn() -> io::Result<S>,
    ) -> Result<Option<Body<S>>, Attempt> {
        let mut request = self.client.get(url.clone());
        if let Some(etag) = known.and_then(|known| known.etag.as_ref()) {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = known.and_then(|known| known.last_modified.as_ref()) {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let response = request.send().await.map_err(|error| judged(&error))?;
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED && known.is_some() {
            return Ok(None);
        }
        if !status.is_success() {
            return Err(refused(&response));
        }
        self.body(response, limit, open).await.map(Some)
    }

    async fn body<S: Write>(
        &self,
        mut response: Response,
        limit: u64,
        open: &impl Fn() -> io::Result<S>,
    ) -> Result<Body<S>, Attempt> {
        let over = |reason: String| Attempt::Over(NoBody::Failed(reason));
        let text =
            |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let validators = Validators { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
        let mut sink = open().map_err(|error| over(format!("cannot write: {error}")))?;
        let (mut sha256, mut sha512, mut bytes) = (Sha256::new(), Sha512::new(), 0_u64);
        while let Some(chunk) = response.chunk().await.map_err(|error| judged(&error))? {
            bytes += chunk.len() as u64;
            if bytes > limit {
                return Err(over(format!("it has more than {limit} bytes, which is the limit")));
            }
            sha256.update(&chunk);
            sha512.update(&chunk);
            // A chunk is a few KiB into the page cache: handing it to another thread would cost more than writing it.
            sink.write_all(&chunk).map_err(|error| over(format!("cannot write: {error}")))?;
            self.progress.on_bytes(chunk.len() as u64);
        }
        let (sha256, sha512) = (hex(&sha256.finalize()), hex(&sha512.finalize()));
        Ok(Body { sink, bytes, sha256, sha512, validators })
    }

    /// A small file, whole in memory.
    pub(super) async fn small(&self, url: &Url, limit: u64) -> Result<Vec<u8>, NoBody> {
        let body = self.get(url, None, limit, || Ok(Vec::new())).await?;
        Ok(body.map(|body| body.sink).unwrap_or_default())
    }
}

/// A file without a certificate would be no error otherwise, and every connection one that does not say why.
fn authorities(pem: &[u8]) -> Result<Vec<Certificate>, String> {
    let read = Certificate::from_pem_bundle(pem).map_err(|error| chain(&error))?;
    if read.is_empty() {
        return Err(
            "the authorities have no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned()
        );
    }
    Ok(read)
}

fn refused(response: &Response) -> Attempt {
    let status = response.status();
    let reason = format!("the server answered {status}");
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Attempt::Over(NoBody::Missing(reason)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            let seconds =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Attempt::Again { reason, after: seconds.map(Duration::from_secs) }
        }
        _ if status.is_server_error() => Attempt::Again { reason, after: None },
        _ => Attempt::Over(NoBody::Failed(reason)),
    }
}

/// A redirect that is refused today is refused tomorrow; everything else of the network may pass.
fn judged(error: &reqwest::Error) -> Attempt {
    let reason = if error.is_timeout() { format!("too slow: {}", chain(error)) } else { chain(error) };
    if error.is_redirect() || error.is_builder() {
        Attempt::Over(NoBody::Failed(reason))
    } else {
        Attempt::Again { reason, after: None }
    }
}

/// Whether a request may go to this address.
fn permitted(url: &Url, http_ok: bool) -> Result<(), String> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if http_ok => Ok(()),
        "http" => Err(format!("{url} is not protected by TLS; use https, or allow http explicitly")),
        other => Err(format!("{url}: {other} is not supported; use https")),
    }
}

/// Whether the address is this machine's own.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

/// An error with all its causes: the outermost alone rarely says what happened.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protected_or_allowed_addresses_are_asked() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert!(permitted(&url("https://h/"), false).is_ok());
        assert!(permitted(&url("http://h/"), false).is_err());
        assert!(permitted(&url("http://h/"), true).is_ok());
        assert!(permitted(&url("file:///etc/passwd"), true).is_err());
        for (text, expected) in
            [("http://127.0.0.1:1/", true), ("http://[::1]/", true), ("http://localhost/", true)]
                .into_iter()
                .chain([("http://127.0.0.1.example/", false), ("http://10.0.0.1/", false)])
        {
            assert_eq!(is_loopback(&url(text)), expected, "{text}");
        }
    }
}
