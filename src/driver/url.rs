//! Parts of database URLs that the client libraries do not read: percent escapes, and query options of our own. It
//! knows no back end.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::error::{Error, ErrorKind};

/// A part of a URL with its percent escapes replaced.
pub(super) fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let (hex, tail) = tail.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?);
            rest = tail;
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// Whether it is clear where the password of a URL ends: no `@` stands behind a question mark, which may be either's.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn is_clear(url: &str) -> bool {
    url.find('?').is_none_or(|at| !url[at..].contains('@'))
}

/// Takes the named options out of the query of a URL: the URL without them, and their values in the order of the names.
///
/// # Errors
/// `Config` if one of them is there twice, or is not escaped well.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(super) fn take<const N: usize>(url: &str, names: [&str; N]) -> Result<(String, [Option<String>; N]), Error> {
    let mut values = [const { None }; N];
    // A question mark ahead of the `@` belongs to the password.
    let authority = url.find('@').unwrap_or(0);
    let Some(at) = url[authority..].find('?').map(|at| authority + at) else {
        return Ok((url.to_owned(), values));
    };
    let mut kept = Vec::new();
    for pair in url[at + 1..].split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decoded(key);
        let Some(index) = names.iter().position(|name| key.as_deref() == Some(*name)) else {
            kept.push(pair);
            continue;
        };
        let wrong = |what| Error::new(ErrorKind::Config, format!("the URL's option {} {what}", names[index]));
        let value = decoded(value).ok_or_else(|| wrong("has a malformed percent escape"))?;
        if values[index].replace(value).is_some() {
            return Err(wrong("is given twice"));
        }
    }
    let mut rest = url[..at].to_owned();
    if kept.iter().any(|pair| !pair.is_empty()) {
        rest.push('?');
        rest.push_str(&kept.join("&"));
    }
    Ok((rest, values))
}

#[cfg(all(test, any(feature = "postgres", feature = "mysql")))]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_and_the_rest_stays_as_it_was() {
        let taken = |url: &str| take(url, ["mode", "file"]).map(|(url, [mode, file])| (url, mode, file)).unwrap();
        let (mode, file) = (Some("x".to_owned()), Some("/a b&c".to_owned()));
        assert_eq!(taken("p://h/db"), ("p://h/db".into(), None, None));
        assert_eq!(taken("p://h/db?a=%20"), ("p://h/db?a=%20".into(), None, None));
        assert_eq!(taken("p://h/db?mode=x"), ("p://h/db".into(), mode.clone(), None));
        assert_eq!(taken("p://h?a=1&file=/a%20b%26c&b=2&m%6Fde=x"), ("p://h?a=1&b=2".into(), mode.clone(), file));
        assert_eq!(taken("p://u:mode=y?mode=z@h/db?mode=x"), ("p://u:mode=y?mode=z@h/db".into(), mode, None));
        for bad in ["p://h?mode=x&mode=x", "p://h?mode=%x", "p://h?file=%ff"] {
            assert_eq!(take(bad, ["mode", "file"]).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
