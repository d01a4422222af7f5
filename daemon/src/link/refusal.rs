//! Why TLS with the platform did not come about, in people's words: these stand on the console.

use std::error::Error;

use rustls::{AlertDescription, CertificateError};

/// The reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsRefusal {
    /// Its chain ends at a root that is not pinned.
    #[error("the platform's certificate is not from a pinned root")]
    UnknownRoot,
    /// Its chain names a pinned root that did not sign it.
    #[error("the platform's certificate names a pinned root that did not sign it")]
    FalseRoot,
    /// It, or what it is signed with, is too old.
    #[error("the platform's certificate, or its root, has expired")]
    Expired,
    /// It is from the future.
    #[error("the platform's certificate is not valid yet; is the platform's clock right?")]
    NotYetValid,
    /// It is for another host.
    #[error("the platform's certificate is for another name")]
    OtherName,
    /// It was revoked.
    #[error("the platform's certificate was revoked")]
    Revoked,
    /// It is no server's, malformed, or signed in a way that is not trusted.
    #[error("the platform's certificate cannot be used")]
    Unusable,
    /// The server speaks an older version only.
    #[error("the platform does not offer TLS 1.3")]
    NoTls13,
    /// It does not speak our protocol.
    #[error("the platform's port does not speak vedette/1")]
    OtherProtocol,
    /// The server refuses our certificate.
    #[error("the platform refuses this appliance's certificate")]
    OurCertificate,
    /// The server ended the handshake.
    #[error("the platform ended the TLS handshake")]
    Ended,
    /// What is there speaks no TLS.
    #[error("what answers on the platform's port does not speak TLS properly")]
    NotTls,
    /// We could not do our part, as when the keeper does not sign.
    #[error("this appliance could not complete the TLS handshake")]
    Ours,
}

impl TlsRefusal {
    /// The reason within an error, if TLS is what failed.
    pub fn within(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of(tls));
            }
            // An io::Error hides what it wraps from source(), which gives the cause's cause.
            let wrapped = error
                .downcast_ref::<std::io::Error>()
                .and_then(std::io::Error::get_ref)
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            if let Some(tls) = wrapped {
                return Some(Self::of(tls));
            }
            cause = error.source();
        }
        None
    }

    fn of(error: &rustls::Error) -> Self {
        use rustls::Error as Tls;
        match error {
            Tls::InvalidCertificate(certificate) => Self::of_certificate(certificate),
            Tls::PeerIncompatible(
                rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13
                | rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | rustls::PeerIncompatible::SupportedVersionsExtensionRequired
                | rustls::PeerIncompatible::Tls13RequiredForQuic,
            ) => Self::NoTls13,
            Tls::AlertReceived(alert) => Self::of_alert(*alert),
            Tls::NoApplicationProtocol => Self::OtherProtocol,
            Tls::InvalidMessage(_) | Tls::DecryptError | Tls::PeerMisbehaved(_) => Self::NotTls,
            Tls::InappropriateMessage { .. } | Tls::InappropriateHandshakeMessage { .. } => Self::NotTls,
            Tls::NoCertificatesPresented | Tls::UnsupportedNameType => Self::Unusable,
            Tls::General(_) | Tls::FailedToGetCurrentTime | Tls::FailedToGetRandomBytes => Self::Ours,
            // The rest are errors of configuration, ours or theirs, that no operator tells apart.
            _ => Self::Ended,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::UnknownIssuer => Self::UnknownRoot,
            CertificateError::BadSignature => Self::FalseRoot,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::OtherName
            }
            CertificateError::Revoked => Self::Revoked,
            _ => Self::Unusable,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::ProtocolVersion => Self::NoTls13,
            AlertDescription::NoApplicationProtocol => Self::OtherProtocol,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => Self::OurCertificate,
            _ => Self::Ended,
        }
    }
}
