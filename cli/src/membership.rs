//! Who is in a pool, for what the owner signs and seals. The platform says who the members are; that they are the
//! operator's own is said by the operator's records alone. One that is not confirmed stops everything: leaving it out
//! silently would sign something else than what was asked for.

use vedette_protocol::ApplianceId;
use vedette_protocol::api::Pool;

use crate::owner::Confirmed;

/// Why a pool is nobody to sign for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MembershipError {
    #[error("the pool {pool} has no appliance; put one in with `vedette pool add`")]
    Empty { pool: String },
    #[error(
        "the platform says that the appliance {appliance} is in the pool {pool}, and you did not confirm it: nothing is \
         signed or sealed. Compare the fingerprint on its console, and run `vedette appliance confirm {appliance} \
         --fingerprint XXXX-…`; or take it out with `vedette pool take-out {pool} {appliance}`"
    )]
    Stranger { pool: String, appliance: ApplianceId },
}

/// The members of a pool, as they were confirmed.
pub(crate) fn confirmed<'a>(
    pool: &Pool,
    known: &'a [Confirmed],
) -> Result<Vec<&'a Confirmed>, MembershipError> {
    // The name is the platform's: it is shown, not believed.
    let name = || pool.name.chars().filter(|c| !c.is_control()).take(128).collect();
    if pool.appliances.is_empty() {
        return Err(MembershipError::Empty { pool: name() });
    }
    let of = |appliance: &ApplianceId| {
        let one = known.iter().find(|one| one.appliance == *appliance);
        one.ok_or_else(|| MembershipError::Stranger {
            pool: name(),
            appliance: *appliance,
        })
    };
    pool.appliances.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use vedette_crypto::credential::CredentialKey;
    use vedette_crypto::{Signer, SigningKey};
    use vedette_protocol::{OrgId, PoolId, Timestamp};

    use super::*;

    fn one(name: &str) -> Confirmed {
        Confirmed {
            name: name.to_owned(),
            appliance: ApplianceId::random(),
            org: OrgId([1; 16]),
            identity: SigningKey::generate().verifying_key(),
            credential: CredentialKey::generate().public().clone(),
        }
    }

    fn pool(members: &[ApplianceId]) -> Pool {
        Pool {
            id: PoolId([2; 16]),
            name: "cellar\x1b[2J".to_owned(),
            appliances: members.to_vec(),
            created: Timestamp(0),
        }
    }

    #[test]
    fn a_pool_is_those_of_its_members_that_were_confirmed_if_all_were() {
        let known = [one("a"), one("b"), one("c")];
        let members = [known[2].appliance, known[0].appliance];
        let confirmed = confirmed(&pool(&members), &known).unwrap();
        let fingerprints: Vec<_> = confirmed.iter().map(|one| one.fingerprint()).collect();
        assert_eq!(fingerprints, [known[2].fingerprint(), known[0].fingerprint()]);
    }

    #[test]
    fn a_stranger_that_the_platform_put_in_is_named_with_the_cure() {
        let known = [one("a")];
        let stranger = ApplianceId::random();
        let refused = confirmed(&pool(&[known[0].appliance, stranger]), &known).unwrap_err();
        assert!(matches!(refused, MembershipError::Stranger { appliance, .. } if appliance == stranger));
        let text = refused.to_string();
        assert!(
            text.contains(&format!("vedette appliance confirm {stranger}")),
            "{text}"
        );
        assert!(
            text.contains("vedette pool take-out") && !text.contains('\x1b'),
            "{text}"
        );
        let empty = confirmed(&pool(&[]), &known).unwrap_err();
        assert!(matches!(empty, MembershipError::Empty { .. }));
    }
}
