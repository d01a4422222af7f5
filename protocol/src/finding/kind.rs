//! The types of finding: one table, from which name, family, severity, weakness class, title and
//! remedy follow. A new check adds its row here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The family of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A port was seen in a state.
    Port,
    /// A service was recognised.
    Service,
    /// Something to mend.
    Weakness,
    /// A host was seen.
    Host,
    /// How hosts and networks hang together.
    Link,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A fact.
    Info,
    /// Helps an attacker a little.
    Low,
    /// Helps an attacker.
    Medium,
    /// Lets an attacker in, under conditions.
    High,
    /// Lets an attacker in.
    Critical,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A sign that has other explanations.
    Tentative,
    /// A sign that has no likely other explanation.
    Firm,
    /// Seen itself.
    Certain,
}

/// What a port was seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Something accepts connections.
    Open,
    /// The host refuses connections.
    Closed,
    /// Nothing answers, or something says that it may not.
    Filtered,
    /// Not known because of us: it was not tried, or not often enough.
    Unknown,
    /// Over UDP, nothing answers: a filter, or a service that the question says nothing to.
    #[serde(rename = "no-answer")]
    NoAnswer,
}

/// Over what a port is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// By connections.
    #[default]
    Tcp,
    /// By datagrams.
    Udp,
}

impl Transport {
    /// Its name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident, $severity:ident, $cwe:expr, $title:literal, $remedy:literal;)*) => {
        /// What a finding is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingType {
            $($(#[$doc])* #[doc = $title] #[serde(rename = $text)] $name,)*
        }

        impl FindingType {
            /// Every type.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const NAMES: &[&str] = &[$($text),*];

            /// Its name in JSON and on command lines.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Its family.
            pub fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind,)* }
            }

            /// How bad it is, as a rule.
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }

            /// Its class in MITRE's CWE list.
            pub fn cwe(self) -> Option<u16> {
                match self { $(Self::$name => $cwe,)* }
            }

            /// One line for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// What to do about it; empty for what needs nothing.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

types! {
    OpenPort = "open-port", Port, Info, None, "Port", "";
    EveryPortAccepts = "every-port-accepts", Port, Info, None,
        "Every port accepts connections: a proxy or a trap answers for the host", "";
    Service = "service", Service, Info, None, "Service", "";
    RedisNoAuthentication = "redis-no-authentication", Weakness, Critical, Some(306),
        "Redis accepts commands without a password",
        "Set requirepass or ACL users, and bind Redis to the addresses that need it.";
    TlsCertificateExpired = "tls-certificate-expired", Weakness, Medium, Some(298),
        "TLS certificate has expired", "Renew the certificate, and automate its renewal.";
    TlsCertificateNotYetValid = "tls-certificate-not-yet-valid", Weakness, Low, Some(298),
        "TLS certificate is not valid yet", "Check the clock of the host that issued it, and issue it anew.";
    TlsCertificateSelfSigned = "tls-certificate-self-signed", Weakness, Medium, Some(295),
        "TLS certificate is self-signed", "Use a certificate of a CA that the clients trust.";
    TlsCertificateWrongName = "tls-certificate-wrong-name", Weakness, Medium, Some(297),
        "TLS certificate is for another name", "Issue a certificate that names this host.";
    TlsWeakKey = "tls-weak-key", Weakness, Medium, Some(326),
        "TLS certificate has a short key", "Use RSA with 2048 bits or more, or ECDSA with P-256.";
    TlsWeakSignature = "tls-weak-signature", Weakness, Medium, Some(328),
        "TLS certificate is signed with a broken hash", "Issue it anew with SHA-256.";
    TlsVersions = "tls-versions", Service, Info, None, "TLS versions that are spoken", "";
    TlsNoTls13 = "tls-no-tls13", Weakness, Info, Some(327),
        "TLS 1.3 is not offered", "Enable TLS 1.3.";
    TlsSuites = "tls-suites", Service, Info, None, "TLS cipher suites that are spoken", "";
    TlsGroups = "tls-groups", Service, Info, None, "TLS groups that keys are agreed on in", "";
    TlsFeatures = "tls-features", Service, Info, None, "What the TLS server does besides", "";
    TlsGrade = "tls-grade", Service, Info, None, "Grade of TLS", "";
    TlsDrown = "tls-drown", Weakness, High, Some(327),
        "SSLv2 is spoken: recordings of better versions can be decrypted (DROWN, CVE-2016-0800)",
        "Disable SSLv2 on every server that has this key, and replace the key.";
    TlsPoodle = "tls-poodle", Weakness, Medium, Some(310),
        "SSLv3 is spoken: an attacker in between can guess what is sent (POODLE, CVE-2014-3566)", "Disable SSLv3.";
    TlsOldVersions = "tls-old-versions", Weakness, Low, Some(327),
        "SSLv3, TLS 1.0 or 1.1 is spoken (RFC 7568, RFC 8996)", "Disable everything before TLS 1.2.";
    TlsBeast = "tls-beast", Weakness, Low, Some(326),
        "CBC suites are spoken in TLS 1.0 or before (BEAST, CVE-2011-3389)", "Disable TLS 1.0 and SSLv3.";
    TlsNoEncryption = "tls-no-encryption", Weakness, High, Some(319),
        "Suites are accepted that encrypt nothing", "Remove the NULL suites.";
    TlsAnonymous = "tls-anonymous", Weakness, High, Some(306),
        "Suites are accepted that authenticate nobody", "Remove the anonymous suites (aNULL).";
    TlsFreak = "tls-freak", Weakness, High, Some(326),
        "RSA for export is accepted (FREAK, CVE-2015-0204)", "Remove the EXPORT suites.";
    TlsLogjam = "tls-logjam", Weakness, High, Some(326),
        "Diffie-Hellman that can be broken is accepted (LOGJAM, CVE-2015-4000)",
        "Remove the EXPORT suites, and use groups of 2048 bits or more.";
    TlsWeakDh = "tls-weak-dh", Weakness, Medium, Some(326),
        "Diffie-Hellman with less than 2048 bits is accepted", "Use groups of 2048 bits or more, as ffdhe2048.";
    TlsWeakGroup = "tls-weak-group", Weakness, Low, Some(326),
        "Curves with less than 112 bits of strength are accepted", "Leave X25519, P-256 and larger curves.";
    TlsShortKeys = "tls-short-keys", Weakness, High, Some(326),
        "Suites with keys of less than 112 bits are accepted", "Remove the DES and EXPORT suites.";
    TlsRc4 = "tls-rc4", Weakness, Medium, Some(327),
        "RC4 is accepted (RFC 7465)", "Remove the RC4 suites.";
    TlsSweet32 = "tls-sweet32", Weakness, Low, Some(327),
        "Ciphers with blocks of 64 bits are accepted (SWEET32, CVE-2016-2183)", "Remove the 3DES, DES, IDEA and RC2 suites.";
    TlsNoForwardSecrecy = "tls-no-forward-secrecy", Weakness, Low, Some(327),
        "A version is spoken without any suite that has forward secrecy", "Offer ECDHE suites, and prefer them.";
    TlsInsecureRenegotiation = "tls-insecure-renegotiation", Weakness, Medium, Some(300),
        "Secure renegotiation is not supported (RFC 5746, CVE-2009-3555)", "Update the TLS library.";
    TlsCompression = "tls-compression", Weakness, Medium, Some(310),
        "TLS compression is on (CRIME, CVE-2012-4929)", "Turn TLS compression off.";
    TlsNoFallbackProtection = "tls-no-fallback-protection", Weakness, Low, Some(757),
        "A client can be pressed back to an older version (RFC 7507)", "Disable the older versions, or update the TLS library.";
    TlsHeartbleed = "tls-heartbleed", Weakness, Critical, Some(126),
        "Memory of the server can be read (Heartbleed, CVE-2014-0160)",
        "Update OpenSSL, replace key and certificate, and change the passwords that went through it.";
    TlsCcsInjection = "tls-ccs-injection", Weakness, High, Some(325),
        "Keys can be forced from in between (CCS injection, CVE-2014-0224)", "Update OpenSSL.";
    TlsClientRenegotiation = "tls-client-renegotiation", Weakness, Low, Some(770),
        "Clients may have the handshake done again as often as they like (CVE-2011-1473)",
        "Turn client-initiated renegotiation off, or update the TLS library.";
    TlsTicketbleed = "tls-ticketbleed", Weakness, High, Some(200),
        "Memory of the server comes back with session tickets (Ticketbleed, CVE-2016-9244)",
        "Update the load balancer, or turn session tickets off.";
    TlsRobot = "tls-robot", Weakness, High, Some(203),
        "RSA key exchange tells whether its padding was right (ROBOT)",
        "Remove the suites with RSA key exchange, and update the TLS library.";
    TlsBrokenChain = "tls-broken-chain", Weakness, Low, Some(295),
        "The certificates shown do not vouch for each other in order", "Send the certificate first, then each one that issued the one before.";
    TlsWideWildcard = "tls-wide-wildcard", Weakness, Medium, Some(295),
        "The certificate is for every name below a top-level domain, or for any", "Issue certificates for the names that are served.";
    SshAlgorithms = "ssh-algorithms", Service, Info, None, "SSH algorithms and host keys", "";
    SshVersion1 = "ssh-version-1", Weakness, High, Some(327),
        "SSH version 1 is spoken", "Disable version 1 of the protocol.";
    SshTerrapin = "ssh-terrapin", Weakness, Medium, Some(354),
        "Messages can be cut from the start of an SSH connection (Terrapin, CVE-2023-48795)",
        "Update the SSH server, or remove chacha20-poly1305 and the CBC ciphers.";
    SshWeakKeyExchange = "ssh-weak-key-exchange", Weakness, Low, Some(327),
        "SSH key exchange with SHA-1 or a group of 1024 bits is offered", "Leave curve25519, ECDH and groups 14, 16 and 18 with SHA-2.";
    SshWeakGroup = "ssh-weak-group", Weakness, Medium, Some(326),
        "SSH group exchange gives groups of less than 2048 bits", "Remove the short groups from the moduli file.";
    SshWeakSignature = "ssh-weak-signature", Weakness, Low, Some(327),
        "SSH host keys sign with SHA-1 or DSA", "Leave ssh-ed25519, ECDSA and rsa-sha2-*.";
    SshWeakHostKey = "ssh-weak-host-key", Weakness, High, Some(326),
        "SSH host key is short, of DSA, or from a broken generator", "Make a new host key: Ed25519, or RSA with 3072 bits.";
    SshWeakCipher = "ssh-weak-cipher", Weakness, Low, Some(327),
        "SSH ciphers in CBC mode, RC4 or none are offered", "Leave chacha20-poly1305, AES-GCM and AES-CTR.";
    SshWeakMac = "ssh-weak-mac", Weakness, Low, Some(328),
        "SSH authenticates messages with MD5 or cut hashes, or not at all", "Leave hmac-sha2-*, best with -etm.";
    TlsStapleMissing = "tls-staple-missing", Weakness, Medium, Some(299),
        "The certificate demands a stapled OCSP response and none is sent", "Turn OCSP stapling on.";
    HttpHeaderMissing = "http-header-missing", Weakness, Low, Some(693),
        "Security header is missing", "Send the header with a value that fits the application.";
    HttpServerVersion = "http-server-version", Weakness, Info, Some(200),
        "HTTP response shows the server's version", "Turn the version off (nginx: server_tokens off; Apache: ServerTokens Prod).";
    HttpDirectoryListing = "http-directory-listing", Weakness, Medium, Some(548),
        "Directory listing", "Turn directory listings off (nginx: autoindex off; Apache: Options -Indexes).";
    HttpExposedGit = "http-exposed-git", Weakness, High, Some(527),
        "Git repository is exposed", "Deny access to /.git, and treat what the repository holds as known.";
    HttpExposedEnv = "http-exposed-env", Weakness, High, Some(538),
        "Environment file is exposed", "Deny access to dot files, and change the credentials that stand in it.";
    HttpExposedSvn = "http-exposed-svn", Weakness, High, Some(527),
        "Subversion working copy is exposed", "Deny access to /.svn, and treat what the working copy holds as known.";
    HttpExposedHtpasswd = "http-exposed-htpasswd", Weakness, High, Some(538),
        "Password file is exposed", "Move the file out of the site's folder, and change the passwords in it.";
    HttpExposedDsStore = "http-exposed-ds-store", Weakness, Low, Some(538),
        "Folder index of macOS is exposed", "Delete .DS_Store, which names the files beside it, and deny access to dot files.";
    Device = "device", Host, Info, None, "Host", "";
    HostInventory = "host-inventory", Host, Info, None, "Operating system and installed packages", "";
    DatabaseInventory = "database-inventory", Service, Info, None, "Database and its version, as it tells who logs in", "";
    LoggedIn = "logged-in", Service, Info, None, "Logged in with a credential of the operator", "";
    LoginFailed = "login-failed", Host, Info, None, "Logging in did not succeed",
        "Seal a credential that the host accepts; where its key has changed, find out why before you seal for the new one.";
    AddressConflict = "address-conflict", Weakness, Medium, Some(290),
        "Two hosts claim the same address",
        "Find the second host by its link-layer address; if none should be there, somebody may be diverting traffic.";
    IcmpTimestamp = "icmp-timestamp", Weakness, Info, Some(200),
        "Host tells its clock to anyone who asks by ICMP", "Drop ICMP types 13 and 14 in the host's packet filter.";
    LlmnrAnswered = "llmnr-answered", Weakness, Low, Some(290),
        "Host takes part in LLMNR name resolution, which anyone on the link can forge",
        "Turn LLMNR off (Windows: group policy; systemd-resolved: LLMNR=no), and use DNS.";
    SnmpDefaultCommunity = "snmp-default-community", Weakness, High, Some(1392),
        "SNMP answers to a community name that everybody knows",
        "Use SNMPv3 with authentication and privacy, or at least another community and a list of addresses.";
    Subnet = "subnet", Link, Info, None, "Network that is reached from here", "";
    Gateway = "gateway", Link, Info, None, "Router to other networks", "";
    Vlan = "vlan", Link, Info, None, "Virtual network", "";
    Path = "path", Link, Info, None, "Routers on the way to a host", "";
    Neighbours = "neighbours", Link, Info, None, "Neighbours at the other end of a cable", "";
    WebSqlInjection = "web-sql-injection", Weakness, Critical, Some(89),
        "SQL injection", "Pass values as parameters of a prepared statement; choose names of columns from a list.";
    WebXssReflected = "web-xss-reflected", Weakness, Medium, Some(79),
        "Cross-site scripting, reflected", "Encode what is put into a page for the place that it is put in; add a Content-Security-Policy.";
    WebXssStored = "web-xss-stored", Weakness, High, Some(79),
        "Cross-site scripting, stored", "Encode what is put into a page for the place that it is put in; add a Content-Security-Policy.";
    WebXssDom = "web-xss-dom", Weakness, Medium, Some(79),
        "Cross-site scripting, in the browser", "Put what a page reads from its address, messages or stores into it as text (textContent), and judge links by their scheme; add a Content-Security-Policy with trusted types.";
    WebCommandInjection = "web-command-injection", Weakness, Critical, Some(78),
        "Command injection", "Start programs with a list of arguments and without a shell.";
    WebPathTraversal = "web-path-traversal", Weakness, High, Some(22),
        "Path traversal", "Choose files from a list, or open them below a directory that cannot be left.";
    WebOpenRedirect = "web-open-redirect", Weakness, Medium, Some(601),
        "Open redirect", "Redirect to paths of this site or to hosts of a list, judged by a URL parser.";
    WebLdapInjection = "web-ldap-injection", Weakness, High, Some(90),
        "LDAP injection", "Escape values in filters as RFC 4515 says.";
    WebXpathInjection = "web-xpath-injection", Weakness, High, Some(643),
        "XPath injection", "Pass values as XPath variables.";
    WebXxe = "web-xxe", Weakness, High, Some(611),
        "XML external entities", "Turn document types, external entities and XInclude off in the XML parser.";
    WebSsrf = "web-ssrf", Weakness, High, Some(918),
        "Server-side request forgery", "Fetch only from hosts of a list, and judge the address that is connected to.";
    WebTemplateInjection = "web-template-injection", Weakness, Critical, Some(1336),
        "Server-side template injection", "Pass values to templates as variables; never make a template's text of them.";
    WebCodeInjection = "web-code-injection", Weakness, Critical, Some(94),
        "Code injection", "Evaluate no text from outside as code: parse it, or choose by it from a list.";
    WebHeaderInjection = "web-header-injection", Weakness, Medium, Some(113),
        "Header injection", "Refuse line ends in what goes into a header field, or encode it.";
    WebNosqlInjection = "web-nosql-injection", Weakness, Critical, Some(943),
        "NoSQL injection", "Take texts alone where texts are meant, and put nothing from outside into a script of the database.";
    WebDeserialisation = "web-deserialisation", Weakness, Critical, Some(502),
        "Objects of any class are made of what comes from outside",
        "Take data in JSON and check it; where objects must be read, verify a signature first or allow classes of a list.";
    WebPrototypePollution = "web-prototype-pollution", Weakness, High, Some(1321),
        "Documents from outside reach the prototype of all objects",
        "Refuse the keys __proto__, constructor and prototype, merge into objects without a prototype, or run Node with --disable-proto=delete.";
    WebHostHeader = "web-host-header", Weakness, Medium, Some(348),
        "Links are made of the host that a request names",
        "Make absolute links of a configured name; take the host from a header field only from a proxy that sets it.";
    WebCachePoisoning = "web-cache-poisoning", Weakness, High, Some(349),
        "A cache gives others what one visitor's header field has made of a page",
        "Make nothing of such fields, or have the cache drop them, or name them in Vary and in the cache's key.";
    WebCors = "web-cors", Weakness, Medium, Some(942),
        "Other sites may read answers with the visitor's cookies",
        "Allow origins of a list, compared as a whole, and credentials only to those; never allow the origin null.";
    WebTokenNotVerified = "web-token-not-verified", Weakness, Critical, Some(347),
        "Signed tokens are accepted that the site has not signed",
        "Verify the signature before any claim is read, with one algorithm that the verifier names itself.";
    WebTokenKnownSecret = "web-token-known-secret", Weakness, Critical, Some(1391),
        "Tokens are signed with a secret that everybody knows",
        "Sign with 32 random bytes or more, or with a key pair, and revoke the tokens that were issued.";
    WebCspWeak = "web-csp-weak", Weakness, Low, Some(693),
        "The content security policy lets injected scripts run",
        "Allow scripts by nonce or hash instead of by place, without 'unsafe-inline', and set base-uri.";
    WebFraming = "web-framing", Weakness, Low, Some(1021),
        "A page with a form can be shown in another site's frame (clickjacking)",
        "Send Content-Security-Policy with frame-ancestors 'none' or 'self'.";
    WebCookieNotSecure = "web-cookie-not-secure", Weakness, Medium, Some(614),
        "A cookie of the session is sent without TLS as well", "Set it with Secure.";
    WebCookieForScripts = "web-cookie-for-scripts", Weakness, Low, Some(1004),
        "Scripts can read a cookie of the session", "Set it with HttpOnly.";
    WebCookieCrossSite = "web-cookie-cross-site", Weakness, Low, Some(1275),
        "A cookie of the session goes with requests of other sites", "Set it with SameSite=Lax or Strict.";
    WebMixedContent = "web-mixed-content", Weakness, Medium, Some(319),
        "A page inside TLS loads or sends something without it",
        "Refer to everything by https, or send Content-Security-Policy with upgrade-insecure-requests.";
    WebExposedFile = "web-exposed-file", Weakness, High, Some(538),
        "A file with settings, keys or logs is exposed",
        "Move it out of the site's folder, and change every credential that stands in it.";
    WebExposedDump = "web-exposed-dump", Weakness, High, Some(530),
        "A backup or a database is exposed",
        "Move it out of the site's folder, and treat what it holds as known.";
    WebExposedCopy = "web-exposed-copy", Weakness, Medium, Some(530),
        "A copy of a page shows its code", "Delete what editors leave behind, and change every credential that stands in it.";
    WebExposedConsole = "web-exposed-console", Weakness, Medium, Some(489),
        "A console or status page for operators is exposed",
        "Turn it off, or let it be reached from the operators' network alone.";
    WebObjectAccess = "web-object-access", Weakness, High, Some(639),
        "A user is shown what is another user's",
        "Ask at each access to an object whether it is the asker's; an identifier that is hard to guess is no right.";
    WebMassAssignment = "web-mass-assignment", Weakness, High, Some(915),
        "Fields that are the site's own can be set from outside",
        "Take from a request the fields of a list, and refuse or ignore all others.";
    WebUploadExecuted = "web-upload-executed", Weakness, Critical, Some(434),
        "Uploaded files are executed",
        "Keep what is uploaded outside of the site's folder under names of your own, take endings of a list alone, and run nothing there.";
    WebUploadShownAsPage = "web-upload-shown-as-page", Weakness, Medium, Some(434),
        "Uploaded files come back as pages of the site",
        "Serve what is uploaded as attachment from a host of its own with X-Content-Type-Options: nosniff, or take endings of a list alone.";
    WebRequestSmuggling = "web-request-smuggling", Weakness, High, Some(444),
        "Two servers in a row disagree where a request ends",
        "Have the one in front refuse requests with both Content-Length and Transfer-Encoding or with a malformed one, or speak HTTP/2 to the one behind.";
    WebSessionGuessable = "web-session-guessable", Weakness, High, Some(331),
        "Identifiers of sessions can be guessed",
        "Make them of 16 bytes or more of the system's random generator, and end the sessions that there are.";
    WebDefaultLogin = "web-default-login", Weakness, Critical, Some(1392),
        "A product takes the login that it comes with",
        "Give its administrator another password, and see who has used the old one.";
    WebApplication = "web-application", Service, Info, None,
        "Web application, tested", "";
    TemplateHit = "template-hit", Weakness, Info, None,
        "Template hit", "See what the template's authors advise; its name is in the evidence.";
}

macro_rules! by_name {
    ($name:ty, $what:literal, $($variant:path = $text:literal),*) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $text),* })
            }
        }

        impl FromStr for $name {
            type Err = ParseNameError;

            fn from_str(text: &str) -> Result<Self, ParseNameError> {
                match text {
                    $($text => Ok($variant),)*
                    _ => Err(ParseNameError { what: $what, got: text.chars().take(64).collect(), known: &[$($text),*] }),
                }
            }
        }
    };
}

by_name!(
    Severity,
    "severity",
    Severity::Info = "info",
    Severity::Low = "low",
    Severity::Medium = "medium",
    Severity::High = "high",
    Severity::Critical = "critical"
);
by_name!(
    PortState,
    "port state",
    PortState::Open = "open",
    PortState::Closed = "closed",
    PortState::Filtered = "filtered",
    PortState::Unknown = "unknown",
    PortState::NoAnswer = "no-answer"
);
by_name!(
    Kind,
    "kind",
    Kind::Port = "port",
    Kind::Service = "service",
    Kind::Weakness = "weakness",
    Kind::Host = "host",
    Kind::Link = "link"
);
by_name!(
    Confidence,
    "confidence",
    Confidence::Tentative = "tentative",
    Confidence::Firm = "firm",
    Confidence::Certain = "certain"
);

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no {what} named {got:?}; there are {}", known.join(", "))]
pub struct ParseNameError {
    what: &'static str,
    got: String,
    known: &'static [&'static str],
}

impl fmt::Display for FindingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FindingType {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, ParseNameError> {
        let unknown = || ParseNameError {
            what: "finding type",
            got: text.chars().take(64).collect(),
            known: Self::NAMES,
        };
        Self::ALL
            .iter()
            .copied()
            .find(|type_| type_.name() == text)
            .ok_or_else(unknown)
    }
}
