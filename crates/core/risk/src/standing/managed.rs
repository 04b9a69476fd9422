//! Which planes manage a host, and on which hosts a plane runs.

use serde_json::json;
use underpin_model::fleet::{Host, ManagementPlane};

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

    /// Yes: the hosts are known on which it runs, or that these are none of the fleet.
    pub(super) fn hosts_of_plane(&self, at: usize, plane: &ManagementPlane) -> Statement {
        let path = format!("/management_planes/{at}/runs_on");
        let Some(hosts) = &plane.runs_on else {
            let text = "it is not known on which hosts it runs, and so with which hosts it falls; where these are none of the fleet, say so: `runs_on: []`";
            return Statement::unknown(Topic::Host, text.to_owned(), vec![path]);
        };
        let hosts: Vec<&str> = hosts.iter().map(|it| it.as_str()).collect();
        let text = match &hosts[..] {
            [] => "runs on no host of the fleet".to_owned(),
            [host] => format!("runs on {host}, and falls with it"),
            hosts => format!("runs on {}, and falls with any of them", hosts.join(", ")),
        };
        let source = Source::of(plane, plane.seen.as_deref(), &self.fleet.seen, "runs_on");
        let evidence = vec![source.evidence(path, json!(hosts))];
        Statement { evidence, ..Statement::new(Topic::Host, Answer::Yes, text) }
    }
}

fn unknown(path: String) -> Statement {
    let text = format!(
        "no management plane is known, and with it who can take the host; where there is none, say so: setting {MANAGEMENT_PLANE}: none"
    );
    Statement::unknown(Topic::ManagementPlane, text, vec![path])
}
