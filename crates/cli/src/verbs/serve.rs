//! `underpin serve`: pages and HTTP API on an embedded store.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use underpin_engine::data::DataFolder;
use underpin_exposure::Feed;
use underpin_server::{Config, Core, bind};
use underpin_store::Store;

use crate::args::{Output, Sample, Serve};
use crate::exit::{Code, Failure};
use crate::output::{self, say};
use crate::{facts, verbs};

/// Hosts of the sample fleet: enough for every platform, patch level and page to have something to show.
const SAMPLE_HOSTS: u32 = 60;

pub(crate) fn run(arguments: &Serve) -> Result<Code, Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: &Serve) -> Result<Code, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Server(error.to_string());
    let folder = DataFolder::open(&arguments.data)?;
    let _lock = lock(&arguments.data)?;
    let store = Store::open(&folder.database()).await.map_err(|error| failed(&error))?;
    if arguments.sample {
        import_sample(&store).await?;
    }
    let core =
        Core::new(Timestamp::now(), pulled(&folder)).map_err(|error| Failure::Internal(error.to_string()))?;
    let config = Config {
        listen: arguments.listen,
        allow_remote: arguments.allow_remote,
        allowed_hosts: arguments.allow_host.clone(),
        policy: arguments.policy.as_ref().map(fs_err::read).transpose()?,
        evidence: arguments.evidence.as_ref().map(fs_err::read).transpose()?,
        ..Config::default()
    };
    let bound =
        bind(config, store, Arc::new(core)).await.map_err(|error| refused(&error, &arguments.data))?;
    say!("data in {}; stop with Ctrl-C", arguments.data.display());
    // The address is the one thing that a script that starts a server needs.
    output::data(&format!("http://{}/\n", bound.address()))?;
    bound.serve(stopped()).await;
    Ok(Code::Done)
}

/// Why it does not start. What was in force and is refused now is written to a file, so that it can be corrected.
fn refused(error: &underpin_server::Error, data: &Path) -> Failure {
    let underpin_server::Error::Refused { what, text, given: false, .. } = error else {
        return Failure::Server(error.to_string());
    };
    let path = data.join(format!("refused-{what}.toml"));
    let way_out = match fs_err::write(&path, text) {
        Ok(()) => {
            format!("it is in {}; correct it and start with --{what} {}", path.display(), path.display())
        }
        Err(error) => {
            format!("it cannot be written for correction ({error}); start with another by --{what} FILE")
        }
    };
    Failure::Server(format!("{error}; {way_out}"))
}

/// One process at a time: a second one would not see what the first one takes in.
fn lock(data: &Path) -> Result<fs_err::File, Failure> {
    let path = data.join("underpin.lock");
    let file = fs_err::File::create(&path)?;
    file.file().try_lock().map_err(|error| {
        Failure::Server(format!(
            "{} is in use by another process ({error}); stop it, or choose another folder with --data",
            data.display()
        ))
    })?;
    Ok(file)
}

/// What `feeds pull` and `feeds retry` brought into the data folder.
fn pulled(folder: &DataFolder) -> Vec<Feed> {
    if !folder.feeds().is_dir() {
        return Vec::new();
    }
    underpin_engine::facts::accepted(facts::read(&[folder.feeds()], Timestamp::now(), None))
}

/// A store that has a fleet keeps it: the sample is for a first look.
async fn import_sample(store: &Store) -> Result<(), Failure> {
    let failed = |error: underpin_store::Error| Failure::Server(error.to_string());
    if !store.fleets().await.map_err(failed)?.is_empty() {
        say!("the store has a fleet already: the sample is not imported");
        return Ok(());
    }
    let fleet = verbs::fleet::sample(&Sample { hosts: SAMPLE_HOSTS, seed: 1, output: Output { out: None } })?;
    let bytes = serde_json::to_vec(&fleet)
        .map_err(|error| Failure::Internal(format!("cannot write JSON: {error}")))?;
    store.add_fleet(&fleet.name, &bytes, Timestamp::now()).await.map_err(failed)?;
    say!("imported the sample fleet: {} hosts, {} VMs", fleet.hosts.len(), fleet.vms.len());
    Ok(())
}

/// Resolves when the process is asked to end.
async fn stopped() {
    let interrupt = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await;
}
