//! Who has how much, counted over all servers of one relay.

use super::config::Quotas;
use super::limiter::TokenBucket;
use parlour_stun::attribute::ErrorCode;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What users, addresses and all together have, shared by the servers of one relay so that a limit is one limit on
/// any number of cores. Clones are handles on the same accounts.
///
/// It is asked when an allocation begins or ends. On the way of packets only where a bandwidth is limited.
#[derive(Clone, Debug, Default)]
pub struct Accounts(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    allocations: usize,
    users: BTreeMap<Arc<str>, Arc<Account>>,
    addresses: BTreeMap<IpAddr, u32>,
    total: Option<Arc<Mutex<TokenBucket>>>,
}

/// One user's account. Whoever holds it pays from it.
#[derive(Debug)]
pub(super) struct Account {
    holder: Arc<str>,
    allocations: Mutex<u32>,
    bandwidth: Option<Mutex<TokenBucket>>,
    total: Option<Arc<Mutex<TokenBucket>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Accounts {
    /// Counts one more allocation of a user and an address.
    ///
    /// # Errors
    /// The error code to refuse it with: 508 if the relay is full, 486 if this user or address has enough.
    pub(super) fn open(
        &self,
        now: Instant,
        quotas: &Quotas,
        holder: &str,
        address: IpAddr,
    ) -> Result<Arc<Account>, u16> {
        let mut tables = lock(&self.0);
        let tables = &mut *tables;
        if tables.allocations >= quotas.allocations {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        let key = one_customer(address);
        let at_address = tables.addresses.get(&key).copied().unwrap_or(0);
        let account = match tables.users.get(holder) {
            Some(account) => Arc::clone(account),
            None => Arc::new(Account {
                holder: holder.into(),
                allocations: Mutex::new(0),
                bandwidth: quotas.user_rate.map(|rate| Mutex::new(TokenBucket::new(now, rate))),
                total: quotas.total_rate.map(|rate| {
                    Arc::clone(tables.total.get_or_insert_with(|| Arc::new(Mutex::new(TokenBucket::new(now, rate)))))
                }),
            }),
        };
        {
            let mut of_user = lock(&account.allocations);
            if *of_user >= quotas.allocations_per_user || at_address >= quotas.allocations_per_address {
                return Err(ErrorCode::ALLOCATION_QUOTA_REACHED);
            }
            *of_user += 1;
            if *of_user == 1 {
                tables.users.insert(Arc::clone(&account.holder), Arc::clone(&account));
            }
        }
        tables.allocations += 1;
        tables.addresses.insert(key, at_address + 1);
        Ok(account)
    }

    /// Gives back what [`open`](Self::open) has taken.
    pub(super) fn close(&self, account: &Account, address: IpAddr) {
        let mut tables = lock(&self.0);
        tables.allocations = tables.allocations.saturating_sub(1);
        let key = one_customer(address);
        if let Some(count) = tables.addresses.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                tables.addresses.remove(&key);
            }
        }
        let mut of_user = lock(&account.allocations);
        *of_user = of_user.saturating_sub(1);
        if *of_user == 0 {
            tables.users.remove(&account.holder);
        }
    }
}

impl Account {
    /// Pays for `length` bytes from the user's bandwidth and from all; `false` if one of them is used up.
    pub(super) fn pay(&self, now: Instant, length: usize) -> bool {
        self.bandwidth.as_ref().is_none_or(|bucket| lock(bucket).take(now, length))
            && self.total.as_ref().is_none_or(|bucket| lock(bucket).take(now, length))
    }
}

/// What counts as one address: an IPv6 /64 is one customer.
fn one_customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const ANN: &str = "192.0.2.1";

    fn open(accounts: &Accounts, now: Instant, quotas: &Quotas, who: &str, from: &str) -> Result<Arc<Account>, u16> {
        accounts.open(now, quotas, who, from.parse().unwrap())
    }

    #[test]
    fn limits_hold_over_all_servers_and_are_given_back() {
        let (now, accounts) = (Instant::now(), Accounts::default());
        let other_server = accounts.clone();
        let quotas =
            Quotas { allocations: 3, allocations_per_user: 2, allocations_per_address: 2, ..Quotas::default() };
        let first = open(&accounts, now, &quotas, "ann", ANN).unwrap();
        open(&other_server, now, &quotas, "ann", "192.0.2.2").unwrap();
        assert_eq!(open(&accounts, now, &quotas, "ann", "192.0.2.3").unwrap_err(), 486, "of one user");
        open(&accounts, now, &quotas, "bob", ANN).unwrap();
        assert_eq!(open(&accounts, now, &quotas, "cat", "192.0.2.9").unwrap_err(), 508, "of all");
        accounts.close(&first, ANN.parse().unwrap());
        open(&accounts, now, &quotas, "cat", ANN).unwrap();
    }

    #[test]
    fn an_ipv6_customer_is_one_address() {
        let (now, accounts) = (Instant::now(), Accounts::default());
        let quotas = Quotas { allocations_per_address: 1, ..Quotas::default() };
        open(&accounts, now, &quotas, "ann", "2001:db8::1").unwrap();
        assert_eq!(open(&accounts, now, &quotas, "bob", "2001:db8::ffff").unwrap_err(), 486);
        open(&accounts, now, &quotas, "bob", "2001:db8:0:1::1").unwrap();
    }

    #[test]
    fn all_users_together_share_the_total_bandwidth() {
        let (now, accounts) = (Instant::now(), Accounts::default());
        let quotas = Quotas { total_rate: Some(100_000), ..Quotas::default() };
        let ann = open(&accounts, now, &quotas, "ann", ANN).unwrap();
        let bob = open(&accounts.clone(), now, &quotas, "bob", "192.0.2.2").unwrap();
        assert!(ann.pay(now, 60_000));
        assert!(!bob.pay(now, 60_000), "only 40000 bytes are left of this second");
        assert!(bob.pay(now + Duration::from_secs(1), 60_000));
    }
}
