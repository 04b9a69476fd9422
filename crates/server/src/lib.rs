//! The HTTP API and the pages.
//!
//! `/api/v1` answers JSON (OpenAPI 3.1 in `openapi.json`, errors as RFC 9457 problems); everything else is plain HTML
//! that needs no script. Both read one immutable index of the current assessment, which an upload replaces as a whole.
//!
//! ```no_run
//! # async fn example(store: underpin_store::Store, analyst: std::sync::Arc<dyn underpin_server::Analyst>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use underpin_server::{Config, bind};
//!
//! let bound = bind(Config::default(), store, analyst).await?;
//! let address = bound.address();
//! bound.serve(async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
//! # let _ = address; Ok(())
//! # }
//! ```

pub mod analyst;
mod answers;
mod api;
mod backtest;
mod cadence;
mod calibration;
pub mod charts;
mod clocks;
mod connections;
mod core;
mod facts;
mod guard;
mod in_force;
mod index;
mod pages;
mod priority;
mod problem;
mod query;
mod risk;
mod scores;
mod standing;
mod state;
mod sums;
mod upload;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use underpin_store::Store;

pub use analyst::Analyst;
pub use api::openapi;
pub use core::Core;
pub use pages::{STYLE, backtest_report, cadence_report};
pub use problem::Problem;
use state::{App, Shared};

/// How to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Serve on an address that others can reach. There is no sign-in yet: whoever reaches it sees everything.
    pub allow_remote: bool,
    /// Host names (without port) under which it is reached, beyond `localhost` and the loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// Largest request body in bytes.
    pub body_limit_bytes: usize,
    /// Longest time for one request.
    pub timeout: Duration,
    /// Longest time from the start of a request, or from the answer before it, to the end of its headers.
    pub header_timeout: Duration,
    /// What time it is.
    pub clock: fn() -> Timestamp,
    /// A policy file that is put in force at the start, instead of the one in the store.
    pub policy: Option<Vec<u8>>,
    /// The same for evidence.
    pub evidence: Option<Vec<u8>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            allow_remote: false,
            allowed_hosts: Vec::new(),
            body_limit_bytes: 64 << 20,
            timeout: Duration::from_secs(60),
            header_timeout: Duration::from_secs(30),
            clock: Timestamp::now,
            policy: None,
            evidence: None,
        }
    }
}

/// Why it cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address can be reached from other machines.
    #[error(
        "{0} can be reached from other machines, and there is no sign-in yet; listen on 127.0.0.1 or [::1], or allow remote access explicitly"
    )]
    Remote(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen on {address}: {source}; choose another port, or 0 for any free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is stored cannot be loaded.
    #[error("cannot start from the store: {0}")]
    Start(String),
    /// What is to be in force has mistakes.
    #[error("the {what} {} is refused: {why}", if *.given { "that was given" } else { "in force, which is in the store," })]
    Refused {
        /// `policy` or `evidence`.
        what: &'static str,
        /// The file.
        text: Vec<u8>,
        /// It was given for this start; otherwise it is in the store.
        given: bool,
        /// The first mistakes.
        why: String,
    },
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Start(problem.detail)
    }
}

/// A server that has its port and its data, and waits to be started.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    app: Shared,
}

/// Takes the port, then loads the newest fleet and all feeds from the store and assesses them.
///
/// # Errors
/// [`Error::Remote`] for an address beyond loopback without `allow_remote`; [`Error::Listen`]; [`Error::Refused`]; [`Error::Start`].
pub async fn bind(config: Config, store: Store, analyst: Arc<dyn Analyst>) -> Result<Bound, Error> {
    if !config.allow_remote && !config.listen.ip().is_loopback() {
        return Err(Error::Remote(config.listen));
    }
    let listen = |source| Error::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let app = Arc::new(App::new(config, address.port(), store, analyst));
    app.load().await?;
    Ok(Bound { listener, address, app })
}

impl Bound {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` resolves, then finishes the requests under way.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let routes = guard::protect(api::routes(&self.app).merge(pages::routes()), &self.app);
        let header_timeout = self.app.config.header_timeout;
        connections::serve(self.listener, routes.with_state(self.app), header_timeout, stop).await;
    }
}
