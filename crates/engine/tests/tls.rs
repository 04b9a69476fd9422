//! A pull over TLS, from a server whose certificate a made-up authority signed.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::serve::Listener;
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;
use underpin_engine::progress::Silent;
use underpin_engine::provider::{PullError, PullOptions, Pulled, pull};
use underpin_feeds::Parsed;
use underpin_model::facts::{Document, Format};

/// A listener whose connections are protected. A client that does not trust it is passed over.
struct Protected {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Protected {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// An authority: its certificate in PEM form, and what it signs with.
fn authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

/// A provider of one document, with a certificate of this authority for `localhost`.
async fn provider(issuer: &Issuer<'static, KeyPair>) -> u16 {
    drop(rustls::crypto::ring::default_provider().install_default());
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move |request: Request| async move {
        match request.uri().path() {
            "/provider-metadata.json" => Ok(format!(
                r#"{{"publisher": {{"name": "made up"}}, "distributions": [{{"directory_url": "https://localhost:{port}/csaf/"}}]}}"#
            )),
            "/csaf/index.txt" => Ok("2024/a.json\n".to_owned()),
            "/csaf/changes.csv" => Ok("\"2024/a.json\",\"2024-01-01T00:00:00Z\"\n".to_owned()),
            "/csaf/2024/a.json" => Ok("{}".to_owned()),
            _ => Err(StatusCode::NOT_FOUND),
        }
    };
    let app = axum::Router::new().fallback(answer);
    let protected = Protected { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
    tokio::spawn(async move { axum::serve(protected, app).await });
    port
}

async fn pulled(port: u16, authorities_pem: Option<Vec<u8>>) -> Result<Pulled, PullError> {
    let folder = tempfile::tempdir().unwrap();
    let options = PullOptions {
        attempts: 1,
        authorities_pem,
        parse: Arc::new(|_| Ok(Parsed::Document(Box::new(Document::new("a", Format::Csaf))))),
        ..PullOptions::new(Timestamp::UNIX_EPOCH)
    };
    let address = format!("https://localhost:{port}/provider-metadata.json");
    pull(&address, folder.path(), &options, Arc::new(Silent)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_trusted_by_the_authority_that_was_named_and_by_no_other() {
    let (trusted, issuer) = authority();
    let (other, _) = authority();
    let port = provider(&issuer).await;
    let good = pulled(port, Some(trusted.into_bytes())).await.unwrap();
    assert_eq!((good.fetched, good.publisher.as_deref()), (1, Some("made up")), "{good:?}");
    for pem in [None, Some(other.into_bytes())] {
        let refused = pulled(port, pem).await.unwrap_err();
        assert!(matches!(refused, PullError::Metadata { .. }), "{refused}");
        assert!(refused.to_string().contains("certificate"), "it says why: {refused}");
    }
    let empty = pulled(port, Some(b"no certificate".to_vec())).await.unwrap_err();
    assert!(empty.to_string().contains("BEGIN CERTIFICATE"), "{empty}");
}
