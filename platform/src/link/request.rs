//! Requests of appliances, authenticated; answers to them, signed.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request as HttpRequest},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use vedette_crypto::VerifyingKey;
use vedette_protocol::{
    ApplianceId, Digest, Message, Signed, Timestamp,
    codec::MESSAGE_LIMIT,
    link::{
        Answer, BootRequest, CERTIFICATE_ORGANIZATION, ConfirmRequest, EventsRequest, KeysRequest,
        PollRequest, Request,
    },
    signed::VerifyError,
};
use x509_parser::{oid_registry::OID_SIG_ED25519, prelude::FromDer, prelude::X509Certificate};

use crate::{listener, platform::Platform};

/// Who a connection is, by the client certificate that TLS has verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The name in the certificate.
    pub appliance: ApplianceId,
    /// Its key.
    pub identity: VerifyingKey,
}

impl Peer {
    /// Reads whom a certificate names. That our CA has signed it is for TLS to verify, before.
    pub fn named_by(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let subject = certificate.subject();
        let organization = subject.iter_organization().next()?.as_str().ok()?;
        let name = subject.iter_common_name().next()?.as_str().ok()?;
        let key = certificate.public_key();
        let ed25519 = key.algorithm.algorithm == OID_SIG_ED25519;
        let identity: [u8; 32] = key.subject_public_key.data.as_ref().try_into().ok()?;
        (ed25519 && organization == CERTIFICATE_ORGANIZATION).then_some(Self {
            appliance: name.parse().ok()?,
            identity: VerifyingKey::from_bytes(identity),
        })
    }
}

/// A body as it came, with its digest.
pub(super) struct Body {
    /// The bytes.
    pub bytes: Bytes,
    /// What an answer names.
    pub digest: Digest,
}

/// A request that its appliance has signed, over a connection that it has authenticated with the same key.
pub struct FromAppliance<R> {
    /// Who asks.
    pub peer: Peer,
    /// What.
    pub request: R,
    /// The digest of the whole body.
    pub digest: Digest,
}

/// A request that says who asks.
pub trait Named: Request + Message {
    /// Who asks, by the request's own word.
    fn appliance(&self) -> ApplianceId;
}

/// A request that gets no signed answer. The peer is told the kind; the journal has the cause.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It is not who it says.
    #[error("not authenticated")]
    Unauthenticated,
    /// It is no message of the protocol.
    #[error("not a message of this protocol")]
    Malformed,
    /// It is too long.
    #[error("too long")]
    TooLong,
    /// It took too long.
    #[error("too slow")]
    TooSlow,
    /// The platform failed.
    #[error("the platform failed; try again later")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A signed answer.
pub struct Reply(Vec<u8>);

impl Platform {
    /// Signs an answer to the request of that digest.
    pub fn reply<R>(&self, request: Digest, now: Timestamp, outcome: R::Outcome) -> Reply
    where
        R: Request,
        Answer<R::Outcome>: Message,
    {
        let answer = Answer {
            request,
            now,
            outcome,
        };
        let Ok(signed) = Signed::seal(&answer, &self.signer);
        Reply(signed.to_bytes())
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "application/octet-stream")], self.0).into_response()
    }
}

impl IntoResponse for LinkError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Internal(cause) => {
                tracing::error!(error = cause.as_ref(), "a request of an appliance failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        (status, format!("{self}\n")).into_response()
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = LinkError;

    async fn from_request(request: HttpRequest, _: &S) -> Result<Self, LinkError> {
        let bytes = axum::body::to_bytes(request.into_body(), MESSAGE_LIMIT)
            .await
            .map_err(|error| {
                if listener::is_too_slow(&error) {
                    LinkError::TooSlow
                } else {
                    LinkError::TooLong
                }
            })?;
        let digest = Digest::of(&bytes);
        Ok(Self { bytes, digest })
    }
}

impl<S: Send + Sync, R: Named> FromRequest<S> for FromAppliance<R> {
    type Rejection = LinkError;

    async fn from_request(request: HttpRequest, state: &S) -> Result<Self, LinkError> {
        let peer = request.extensions().get::<Peer>().copied();
        let peer = peer.ok_or(LinkError::Unauthenticated)?;
        let body = Body::from_request(request, state).await?;
        let signed: Signed<R> = Signed::from_bytes(&body.bytes).map_err(|_| LinkError::Malformed)?;
        let request = signed.verify(&peer.identity)?;
        if request.appliance() != peer.appliance {
            return Err(LinkError::Unauthenticated);
        }
        Ok(Self {
            peer,
            request,
            digest: body.digest,
        })
    }
}

macro_rules! named {
    ($($request:ty),*) => {
        $(impl Named for $request {
            fn appliance(&self) -> ApplianceId {
                self.appliance
            }
        })*
    };
}

named!(
    BootRequest,
    ConfirmRequest,
    KeysRequest,
    PollRequest,
    EventsRequest
);

impl From<VerifyError> for LinkError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Version(_) | VerifyError::Malformed(_) => Self::Malformed,
            VerifyError::WrongKey { .. } | VerifyError::BadSignature(_) => Self::Unauthenticated,
        }
    }
}

macro_rules! internal {
    ($($error:ty),*) => {
        $(impl From<$error> for LinkError {
            fn from(error: $error) -> Self {
                Self::Internal(Box::new(error))
            }
        })*
    };
}

internal!(
    sqlx::Error,
    rcgen::Error,
    crate::link::EnrolError,
    crate::escrow::WithdrawError,
    vedette_crypto::hpke::HpkeError
);

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    use vedette_crypto::{Signer, SigningKey};

    use super::*;
    use crate::ca::{self, Authority};

    #[test]
    fn a_peer_is_whom_its_certificate_names_and_no_damaged_one_names_another() {
        let kept = ca::new_appliance_ca().unwrap();
        let certificate = CertificateDer::from_pem_slice(kept.certificate_pem.as_bytes()).unwrap();
        assert_eq!(Peer::named_by(&certificate), None, "the CA is no appliance");
        let ca = Authority::open(certificate, &kept.key).unwrap();
        let peer = Peer {
            appliance: ApplianceId::random(),
            identity: SigningKey::generate().verifying_key(),
        };
        let certificate = ca.name_appliance(peer.appliance, &peer.identity).unwrap();
        assert_eq!(Peer::named_by(&certificate), Some(peer));
        for length in 0..certificate.len() {
            assert_eq!(Peer::named_by(&certificate[..length]), None);
        }
        for bit in 0..certificate.len() * 8 {
            let mut damaged = certificate.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // Whatever it says, it is read without a panic; the signature is TLS's to verify.
            let _ = Peer::named_by(&damaged);
        }
    }
}
