//! A browser under test: Chromium, driven over WebDriver, ended with the test.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names.iter().flat_map(|name| folders.iter().map(move |f| f.join(name))).find(|p| p.is_file())
}

/// A command of the driver that speaks the browser's own protocol.
#[derive(Debug)]
struct Cdp(&'static str, Value);

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"cmd": self.0, "params": self.1}).to_string()))
    }
}

/// What a page logged as an error since the last time.
#[derive(Debug)]
struct Log;

impl WebDriverCompatibleCommand for Log {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}

/// The driver, stopped with its browser when dropped.
struct Driver {
    process: Child,
    /// Kept open: a driver that can't say something more ends.
    _said: Lines<BufReader<ChildStdout>>,
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

pub(crate) struct Browser {
    pub(crate) client: Client,
    _driver: Driver,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// `None`: there is none, and that is allowed.
    pub(crate) async fn open() -> Option<Self> {
        let (chromium, driver) =
            (find(&["chromium", "chromium-browser", "google-chrome"]), find(&["chromedriver"]));
        let (Some(chromium), Some(driver)) = (chromium, driver) else {
            assert!(
                std::env::var_os("UNDERPIN_REQUIRE_ALL").is_none(),
                "chromium and chromedriver are required"
            );
            println!("skipped: chromium not found");
            return None;
        };
        let mut process = Command::new(driver)
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The driver picks a free port itself and says which: a port picked for it could be taken before it starts.
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = said.find_map(|line| {
            line.ok()?
                .rsplit_once("successfully on port ")
                .map(|(_, port)| port.trim_end_matches('.').to_owned())
        });
        let driver = Driver { process, _said: said };
        let url = format!("http://127.0.0.1:{}", port.unwrap());
        let profile = tempfile::tempdir().unwrap();
        let mut capabilities = serde_json::Map::new();
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({"browser": "ALL"}));
        capabilities.insert("goog:chromeOptions".to_owned(), json!({"binary": chromium, "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
            format!("--user-data-dir={}", profile.path().display())]}));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        // A browser that starts for the first time on a busy machine may miss the driver's time limit.
        let client = match builder.connect(&url).await {
            Ok(client) => client,
            Err(_) => builder.connect(&url).await.unwrap(),
        };
        Some(Self { client, _driver: driver, _profile: profile })
    }

    async fn cdp(&self, command: &'static str, parameters: Value) -> Value {
        self.client.issue_cmd(Cdp(command, parameters)).await.unwrap()
    }

    /// Width in CSS pixels, and the colour scheme that the page is told.
    pub(crate) async fn look(&self, width: u32, dark: bool) {
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.cdp("Emulation.setEmulatedMedia", json!({"features": [scheme]})).await;
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Waits until the script answers true. What a page does after a key or a click may still be under way when the driver answers,
    /// and the driver refuses questions that are asked while one page replaces another.
    pub(crate) async fn until(&self, condition: &str) {
        let start = Instant::now();
        loop {
            let answer = self.client.execute(condition, Vec::new()).await;
            if matches!(answer, Ok(Value::Bool(true))) {
                return;
            }
            if start.elapsed() > Duration::from_secs(60) {
                let page = self.client.source().await.unwrap_or_default();
                panic!("60 s without {condition:?}: {answer:?}\n{page}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Width of the page and of the window, in CSS pixels. The first page after a change of the window may be laid out before the change is
    /// through: what does not fit is looked at again, and after a while once more from the start. What is too wide stays so.
    pub(crate) async fn sizes(&self, url: &str, width: u32) -> Value {
        let mut sizes = Value::Null;
        for attempt in 0..40 {
            sizes = self.run("return [document.documentElement.scrollWidth, innerWidth]").await;
            if sizes[0].as_u64() <= sizes[1].as_u64() && sizes[1] == width {
                break;
            }
            if attempt == 20 {
                self.client.goto(url).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sizes
    }

    /// Clicks what leads to another page, and waits until that page is there whole.
    pub(crate) async fn follow(&self, css: &str) {
        self.run("window.left = true").await;
        self.client.find(Locator::Css(css)).await.unwrap().click().await.unwrap();
        self.until("return !window.left && document.readyState === 'complete'").await;
    }

    pub(crate) async fn errors(&self) -> Vec<String> {
        let log = self.client.issue_cmd(Log).await.unwrap();
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter(|e| e["level"] == "SEVERE").map(ToString::to_string).collect()
    }

    pub(crate) async fn picture(&self, name: &str) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let folder = root.join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let size = self.run("const e = document.documentElement; return [innerWidth, e.scrollHeight]").await;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let shot =
            self.cdp("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip})).await;
        let data = shot["data"].as_str().unwrap();
        std::fs::write(folder.join(format!("{name}.png")), decode(data)).unwrap();
    }
}

/// Base64, as the browser writes it.
fn decode(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        bits = bits << 6 | u32::from(value(c));
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
