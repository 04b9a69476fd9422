//! Exceptions from rules about guests: what the facts leave out because of them.

use jiff::Timestamp;
use underpin_model::fleet::AffinityKind;
use underpin_model::id::TenantId;
use underpin_model::plan::Rule;
use underpin_model::policy::Exception;

use super::super::calendar::host_in;
use super::{Facts, NONE};

impl<'a> Facts<'a> {
    /// The exception from a rule that holds longest of those that speak of a guest by its host and tenant.
    fn leave(
        &self,
        rule: Rule,
        host: u32,
        tenant: Option<&TenantId>,
        starts_at: Timestamp,
    ) -> Option<&'a Exception> {
        let policy = self.policy;
        let of = |it: &&Exception| {
            let tenants = &it.scope.tenants;
            (tenants.is_empty() || tenant.is_some_and(|it| tenants.contains(it)))
                && host_in(self, &it.scope, host)
        };
        policy.planning.exceptions(rule, starts_at).filter(of).max_by_key(|it| it.expires)
    }

    /// The exceptions that free all of these guests of a rule, each with its cluster; none: it holds for one of them at least.
    fn all_freed(&self, rule: Rule, guests: &[u32], starts_at: Timestamp) -> Vec<(u32, &'a Exception)> {
        let of = |&guest: &u32| {
            let host = *self.home.get(guest as usize)?;
            let cluster = self.hosts.get(host as usize)?.cluster;
            Some((cluster, self.leave(rule, host, None, starts_at)?))
        };
        guests.iter().map(of).collect::<Option<Vec<_>>>().unwrap_or_default()
    }

    /// A rule about affinity does not bind its guests, since an exception lets it be broken where they all are.
    pub(super) fn waived(&mut self, kind: AffinityKind, members: &[u32], starts_at: Timestamp) -> bool {
        let rule = match kind {
            AffinityKind::Apart => Rule::Apart,
            AffinityKind::Together => Rule::Together,
            AffinityKind::OnHosts => Rule::OnHosts,
        };
        let freed = self.all_freed(rule, members, starts_at);
        let waived = !freed.is_empty();
        self.excepted.extend(freed);
        waived
    }

    /// Applications that may be wholly on what soaks, and guests to which anything may be done.
    pub(super) fn except(&mut self, starts_at: Timestamp) {
        if self.policy.planning.exception.is_empty() {
            return;
        }
        for at in 0..self.applications.len() {
            let members = self.applications[at].clone();
            if members.len() < 2 || !self.policy.planning.release_diversity {
                continue;
            }
            let freed = self.all_freed(Rule::ReleaseDiversity, &members, starts_at);
            if !freed.is_empty() {
                members.iter().for_each(|&it| self.guests[it as usize].application = NONE);
            }
            self.excepted.extend(freed);
        }
        for guest in 0..self.guests.len() {
            let (host, tenant) = (self.home[guest], self.guests[guest].it.tenant.as_ref());
            if let Some(it) = self.leave(Rule::AllowedAction, host, tenant, starts_at) {
                self.guests[guest].any_action = true;
                self.excepted.push((self.hosts[host as usize].cluster, it));
            }
        }
    }
}
