//! Encryption of migration and storage traffic, and of data at rest, and what it costs where there is none.

use underpin_model::fleet::Host;
use underpin_model::id::StorageId;

use super::statement::{Facts, Source, Statement, Topic};
use super::{Placed, Standings};
use crate::clear::{LOCAL_STORAGE_ENCRYPTED, Medium};
use underpin_model::fleet::Storage;

impl Standings<'_> {
    /// The host's own word, else that of the network that migrations use.
    pub(super) fn migration_encrypted(&self, at: usize, host: &Host, worth: f64) -> Statement {
        let mut facts = Facts::default();
        let path = format!("/hosts/{at}/migration/encrypted");
        let migration = host.migration.as_ref();
        let own = migration.and_then(|it| it.encrypted);
        let network = migration.and_then(|it| it.network.as_ref()).and_then(|id| self.networks.get(id));
        match (own, network) {
            (None, Some((at, network))) if network.encrypted.is_some() => {
                let source = Source::of(*network, network.seen.as_deref(), &self.fleet.seen, "encrypted");
                facts.add(format!("/networks/{at}/encrypted"), network.encrypted, source);
            }
            _ => facts.add(path, own, Source::of(host, host.seen.as_deref(), &self.fleet.seen, "migration")),
        }
        let price = self.clear.price(Medium::Migration, host, worth);
        facts.statement(Topic::MigrationEncrypted, "migration traffic encrypted").priced(price)
    }

    /// Each storage that the host reaches.
    pub(super) fn storage_encrypted(&self, at: usize, host: &Host, worth: f64) -> Statement {
        let mut facts = Facts::default();
        self.over_storage(&mut facts, at, host, "encrypted_in_transit", |it| it.encrypted_in_transit);
        let price = self.clear.price(Medium::StorageTraffic, host, worth);
        facts.statement(Topic::StorageTrafficEncrypted, "storage traffic encrypted").priced(price)
    }

    /// Each storage that the host reaches, and its local disks where it has any.
    pub(super) fn data_at_rest(&self, at: usize, host: &Host, worth: f64) -> Statement {
        let mut facts = Facts::default();
        self.over_storage(&mut facts, at, host, "encrypted_at_rest", |it| it.encrypted_at_rest);
        let local = host.capacity.and_then(|it| it.local_storage_gib).is_some_and(|it| it > 0);
        if local || host.settings.contains_key(LOCAL_STORAGE_ENCRYPTED) {
            let (value, source) = self.setting(host, LOCAL_STORAGE_ENCRYPTED);
            let value = value.and_then(serde_json::Value::as_bool);
            facts.add(format!("/hosts/{at}/settings/{LOCAL_STORAGE_ENCRYPTED}"), value, source);
        }
        let price = self.clear.price(Medium::DataAtRest, host, worth);
        facts.statement(Topic::DataAtRestEncrypted, "data at rest encrypted").priced(price)
    }

    fn over_storage(
        &self,
        facts: &mut Facts,
        at: usize,
        host: &Host,
        field: &str,
        read: impl Fn(&Storage) -> Option<bool>,
    ) {
        if host.reach.storage.is_empty() {
            facts.missing.push(format!("/hosts/{at}/reach/storage"));
        }
        for (at, storage) in self.placed_storage(&host.reach.storage) {
            let source = Source::of(storage, storage.seen.as_deref(), &self.fleet.seen, field);
            facts.add(format!("/storage/{at}/{field}"), read(storage), source);
        }
    }

    pub(super) fn placed_storage(&self, ids: &[StorageId]) -> impl Iterator<Item = Placed<'_, Storage>> {
        ids.iter().filter_map(|id| self.storage.get(id).copied())
    }
}
