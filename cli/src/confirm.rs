//! Confirming an appliance: that the keys which the platform hands over are those that the appliance made.
//!
//! The operator compares the identity key, either by the fingerprint on the console or by the secret that the appliance
//! was flashed with; the identity key has signed the credential key. A platform that puts in a key of its own is found
//! out here.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use vedette_crypto::{Secret, VerifyingKey};
use vedette_protocol::api::KnownKeys;
use vedette_protocol::owner::{ApplianceKeys, enrolment_proof};
use vedette_protocol::{ApplianceId, Signed};

use crate::owner::Confirmed;

/// A fingerprint as it was typed off a console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed(String);

/// Text that is no fingerprint.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a fingerprint: type all ten groups of four digits (0-9, a-f) that the appliance's console shows"
)]
pub(crate) struct ParseTypedError;

/// By what the operator knows the appliance.
#[derive(Debug)]
pub(crate) enum Proof {
    Fingerprint(Typed),
    Enrolment(Secret<32>),
}

/// Why an appliance is not confirmed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfirmError {
    #[error(
        "THIS IS NOT YOUR APPLIANCE: the platform shows the key {shown}, and you typed {typed}. If you typed what the \
         console shows, the platform, or somebody between you and it, has put in another key: give it no credential"
    )]
    OtherIdentity { shown: String, typed: String },
    #[error(
        "THE CREDENTIAL KEY IS NOT THE APPLIANCE'S: its identity key did not sign it. The platform, or somebody between \
         you and it, has put in another key: seal nothing for it"
    )]
    NotSigned,
    #[error(
        "THE KEYS ARE ANOTHER APPLIANCE'S: they are signed for appliance {signed}, and the platform shows them as those \
         of {shown}. Seal nothing for it"
    )]
    OtherAppliance { signed: ApplianceId, shown: ApplianceId },
    #[error(
        "it has not said its keys yet, which it does once it has booted and reached the platform; try again then"
    )]
    NoKeys,
    #[error("it was not flashed with an enrolment secret; type its console's fingerprint with --fingerprint")]
    NoProof,
    #[error(
        "THESE ARE NOT THE KEYS OF THE APPLIANCE THAT YOU FLASHED: they are not proven by this enrolment secret. Either \
         the secret is another appliance's, or the platform, or somebody between you and it, has put in other keys"
    )]
    NotProven,
    #[error(
        "it has another owner key pinned, {0}; its owner must let it go (`vedette appliance release`), or it is flashed \
         anew"
    )]
    OtherOwner(String),
}

/// Compares, verifies, and says what is now known of the appliance.
pub(crate) fn confirm(
    known: &KnownKeys,
    name: &str,
    proof: &Proof,
    owner: &VerifyingKey,
) -> Result<Confirmed, ConfirmError> {
    if let Proof::Fingerprint(typed) = proof {
        let shown = known.identity.fingerprint();
        if digits(&shown) != typed.0 {
            return Err(ConfirmError::OtherIdentity {
                shown,
                typed: typed.to_string(),
            });
        }
    }
    let keys = known.keys.as_ref().ok_or(ConfirmError::NoKeys)?;
    let signed = STANDARD
        .decode(keys)
        .ok()
        .and_then(|bytes| Signed::<ApplianceKeys>::from_bytes(&bytes).ok())
        .ok_or(ConfirmError::NotSigned)?;
    let keys = signed
        .verify(&known.identity)
        .map_err(|_| ConfirmError::NotSigned)?;
    if (keys.appliance, keys.org) != (known.appliance, known.org) {
        return Err(ConfirmError::OtherAppliance {
            signed: keys.appliance,
            shown: known.appliance,
        });
    }
    if let Proof::Enrolment(secret) = proof {
        let shown = keys.proof.ok_or(ConfirmError::NoProof)?;
        let expected = enrolment_proof(
            secret,
            &known.identity,
            keys.appliance,
            keys.org,
            &keys.credential,
        );
        // Nobody can try again and again and take the time: a file is compared once.
        if shown != expected {
            return Err(ConfirmError::NotProven);
        }
    }
    if let Some(pinned) = keys.owner.filter(|pinned| pinned != owner) {
        return Err(ConfirmError::OtherOwner(pinned.fingerprint()));
    }
    Ok(Confirmed {
        name: name.to_owned(),
        appliance: keys.appliance,
        org: keys.org,
        identity: known.identity,
        credential: keys.credential,
    })
}

impl FromStr for Typed {
    type Err = ParseTypedError;

    fn from_str(text: &str) -> Result<Self, ParseTypedError> {
        let digits = digits(text);
        let whole = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        whole.then_some(Self(digits)).ok_or(ParseTypedError)
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<&str> = (0..DIGITS / 4)
            .map(|group| &self.0[4 * group..4 * group + 4])
            .collect();
        f.write_str(&groups.join("-"))
    }
}

/// What counts of a fingerprint: the digits, however they are grouped.
fn digits(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !"-:".contains(*c))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

const DIGITS: usize = 40;

#[cfg(test)]
mod tests {
    use vedette_crypto::credential::CredentialKey;
    use vedette_crypto::{Signer, SigningKey};
    use vedette_protocol::OrgId;

    use super::*;

    struct Setting {
        identity: SigningKey,
        secret: Secret<32>,
        owner: VerifyingKey,
        keys: ApplianceKeys,
    }

    impl Setting {
        fn new() -> Self {
            let identity = SigningKey::generate();
            let secret = Secret::filled(|bytes| *bytes = [5; 32]);
            let (appliance, org) = (ApplianceId::random(), OrgId::random());
            let credential = CredentialKey::generate().public().clone();
            let proof = enrolment_proof(&secret, &identity.verifying_key(), appliance, org, &credential);
            Self {
                owner: SigningKey::generate().verifying_key(),
                keys: ApplianceKeys {
                    appliance,
                    org,
                    credential,
                    owner: None,
                    proof: Some(proof),
                },
                identity,
                secret,
            }
        }

        fn document(&self, signer: &SigningKey) -> KnownKeys {
            let Ok(signed) = Signed::seal(&self.keys, signer);
            KnownKeys {
                appliance: self.keys.appliance,
                org: self.keys.org,
                identity: self.identity.verifying_key(),
                keys: Some(STANDARD.encode(signed.to_bytes())),
                owner: None,
            }
        }

        fn typed(&self) -> Proof {
            Proof::Fingerprint(self.identity.verifying_key().fingerprint().parse().unwrap())
        }

        fn enrolled(&self) -> Proof {
            Proof::Enrolment(self.secret.with(|bytes| Secret::copied(bytes)).unwrap())
        }

        fn confirm(&self, known: &KnownKeys, proof: &Proof) -> Result<Confirmed, ConfirmError> {
            confirm(known, "lab", proof, &self.owner)
        }
    }

    #[test]
    fn an_appliance_is_confirmed_by_its_fingerprint_or_its_enrolment_secret() {
        let setting = Setting::new();
        let document = setting.document(&setting.identity);
        for proof in [setting.typed(), setting.enrolled()] {
            let confirmed = setting.confirm(&document, &proof).unwrap();
            assert_eq!(confirmed.credential, setting.keys.credential);
            assert_eq!(confirmed.identity, setting.identity.verifying_key());
        }
    }

    #[test]
    fn a_platform_that_swaps_the_credential_key_is_found_out() {
        let mut setting = Setting::new();
        let honest = setting.document(&setting.identity);
        setting.keys.credential = CredentialKey::generate().public().clone();
        let (typed, enrolled) = (setting.typed(), setting.enrolled());

        // Signed by a key of the platform's own, under the appliance's identity.
        let mallory = SigningKey::generate();
        let forged = setting.document(&mallory);
        assert_eq!(setting.confirm(&forged, &typed), Err(ConfirmError::NotSigned));
        assert_eq!(setting.confirm(&forged, &enrolled), Err(ConfirmError::NotSigned));

        // The whole identity swapped: signed rightly, by another key.
        let whole = KnownKeys {
            identity: mallory.verifying_key(),
            ..forged
        };
        let refused = setting.confirm(&whole, &typed).unwrap_err();
        assert!(matches!(refused, ConfirmError::OtherIdentity { .. }), "{refused}");
        assert!(refused.to_string().contains("NOT YOUR APPLIANCE"));
        assert_eq!(setting.confirm(&whole, &enrolled), Err(ConfirmError::NotProven));

        // Bits of the honest answer.
        let bytes = STANDARD.decode(honest.keys.as_ref().unwrap()).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let altered = KnownKeys {
                keys: Some(STANDARD.encode(altered)),
                ..honest.clone()
            };
            assert_eq!(
                setting.confirm(&altered, &typed),
                Err(ConfirmError::NotSigned),
                "byte {at}"
            );
        }
    }

    #[test]
    fn another_appliance_s_keys_do_not_pass_for_this_one_s() {
        let setting = Setting::new();
        let document = KnownKeys {
            appliance: ApplianceId::random(),
            ..setting.document(&setting.identity)
        };
        assert!(matches!(
            setting.confirm(&document, &setting.typed()),
            Err(ConfirmError::OtherAppliance { .. })
        ));
    }

    #[test]
    fn an_appliance_of_another_owner_is_refused_and_one_s_own_is_not() {
        let mut setting = Setting::new();
        setting.keys.owner = Some(setting.owner);
        let document = setting.document(&setting.identity);
        assert!(setting.confirm(&document, &setting.typed()).is_ok());
        setting.keys.owner = Some(SigningKey::generate().verifying_key());
        let document = setting.document(&setting.identity);
        let refused = setting.confirm(&document, &setting.typed()).unwrap_err();
        assert!(refused.to_string().contains("appliance release"));
    }

    #[test]
    fn one_flashed_without_a_secret_cannot_prove_itself_by_one() {
        let mut setting = Setting::new();
        setting.keys.proof = None;
        let document = setting.document(&setting.identity);
        assert_eq!(
            setting.confirm(&document, &setting.enrolled()),
            Err(ConfirmError::NoProof)
        );
        assert!(setting.confirm(&document, &setting.typed()).is_ok());
        let silent = KnownKeys {
            keys: None,
            ..document
        };
        assert_eq!(
            setting.confirm(&silent, &setting.typed()),
            Err(ConfirmError::NoKeys)
        );
    }

    #[test]
    fn a_fingerprint_is_taken_however_it_is_typed_but_whole() {
        let key = SigningKey::generate().verifying_key();
        let shown = key.fingerprint();
        let typed: Typed = shown.parse().unwrap();
        assert_eq!(typed.to_string(), shown);
        for text in [
            shown.to_uppercase(),
            shown.replace('-', " "),
            shown.replace('-', ""),
            format!(" {shown}\n"),
        ] {
            assert_eq!(text.parse(), Ok(typed.clone()), "{text}");
        }
        for text in [
            "",
            &shown[..shown.len() - 1],
            &format!("{shown}0"),
            &shown.replace(&shown[..1], "x"),
        ] {
            assert_eq!(text.parse::<Typed>(), Err(ParseTypedError), "{text}");
        }
    }
}
