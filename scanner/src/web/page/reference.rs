//! What the text of a reference says of where it leads. Pure.

/// Whether a link or form would end the session.
pub(in crate::web) fn is_logout(reference: &str, text: &str) -> bool {
    let squeeze = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .take(4096)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let (reference, text) = (squeeze(reference), squeeze(text));
    [
        "logout",
        "logoff",
        "signout",
        "signoff",
        "abmelden",
        "deconnexion",
        "cerrarsesion",
        "endsession",
    ]
    .iter()
    .any(|word| reference.contains(word) || text == *word || (text.contains(word) && text.len() < 40))
}

/// Whether it leads to a file that leads nowhere.
pub(super) fn is_static(reference: &str) -> bool {
    let path = reference.split(['?', '#']).next().unwrap_or_default();
    let Some((_, extension)) = path.rsplit_once('.') else {
        return false;
    };
    !reference.contains('?')
        && [
            "css", "png", "jpg", "jpeg", "gif", "webp", "ico", "svg", "woff", "woff2", "ttf", "eot", "mp3",
            "mp4", "webm", "avi", "zip", "gz", "tar", "7z", "rar", "exe", "pdf", "doc", "docx", "xls",
            "xlsx", "ppt", "pptx",
        ]
        .contains(&extension.to_ascii_lowercase().as_str())
}

/// Whether a script's string is the path of something.
pub(super) fn looks_like_a_path(text: &str) -> bool {
    let plain = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "/._-~%?&=:#+@,;".contains(c))
    };
    let path = text.split('?').next().unwrap_or_default();
    (2..2048).contains(&text.len())
        && plain(text)
        && (text.starts_with("http://")
            || text.starts_with("https://")
            || (text.starts_with('/')
                && !text.starts_with("//")
                && text[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || "_.".contains(c)))
            || text.starts_with("./")
            || text.starts_with("../")
            || [
                ".php", ".asp", ".aspx", ".jsp", ".do", ".action", ".html", ".htm", ".cgi", ".json",
            ]
            .iter()
            .any(|extension| path.ends_with(extension) && path.len() > extension.len()))
}

/// `5; url=/next`.
pub fn refresh_target(content: &str) -> Option<&str> {
    let (_, rest) = content.split_once([';', ','])?;
    let rest = rest.trim_start();
    let rest = match rest.get(..3) {
        Some(start) if start.eq_ignore_ascii_case("url") => rest[3..].trim_start().strip_prefix('=')?,
        _ => rest,
    };
    Some(rest.trim().trim_matches(['"', '\'']))
}
