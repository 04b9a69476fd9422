//! Which planes manage a host.

use serde_json::json;
use underpin_model::fleet::Host;

use super::Standings;
use super::statement::{Answer, Source, Statement, Topic};
use crate::managed::{self, MANAGEMENT_PLANE};

impl Standings<'_> {
    /// Yes: they are known, or that there is none. A cluster that names none leaves it open.
    pub(super) fn management_plane(&self, at: usize, host: &Host) -> Statement {
        let statement = |text: String| Statement::new(Topic::ManagementPlane, Answer::Yes, text);
        if managed::by_none(host) {
            let (value, source) = self.setting(host, MANAGEMENT_PLANE);
            let path = format!("/hosts/{at}/settings/{MANAGEMENT_PLANE}");
            let evidence = vec![source.evidence(path, value.cloned().unwrap_or_default())];
            return Statement { evidence, ..statement("no management plane manages it".to_owned()) };
        }
        let cluster = host.cluster.as_ref().and_then(|id| self.clusters.get(id)).copied();
        let Some((cluster_at, cluster)) = cluster else {
            return unknown(format!("/hosts/{at}/cluster"));
        };
        let path = format!("/clusters/{cluster_at}/managed_by");
        let known: Vec<&str> = cluster
            .managed_by
            .iter()
            .filter(|it| self.planes.contains_key(it))
            .map(|it| it.as_str())
            .collect();
        if known.is_empty() {
            return unknown(path);
        }
        let source = Source::of(cluster, cluster.seen.as_deref(), &self.fleet.seen, "managed_by");
        let evidence = vec![source.evidence(path, json!(known))];
        Statement { evidence, ..statement(format!("managed by {}", known.join(", "))) }
    }
}

fn unknown(path: String) -> Statement {
    let text = format!(
        "no management plane is known, and with it who can take the host; where there is none, say so: setting {MANAGEMENT_PLANE}: none"
    );
    Statement::unknown(Topic::ManagementPlane, text, vec![path])
}
