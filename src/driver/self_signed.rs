//! Checks of a self-signed server certificate that the user has named as trusted. rustls does not accept such a
//! certificate, so its validity and its name are read here. The caller compares it with the named one.

use rustls::{
    CertificateError, Error,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

/// The tags of DER that are met on the way.
const INTEGER: u8 = 0x02;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;

/// The object identifier of a common name: 2.5.4.3.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// What is read of a certificate.
#[derive(Debug, PartialEq)]
pub(super) struct Details<'c> {
    /// In seconds from 1970 on.
    from: u64,
    to: u64,
    common_name: Option<&'c str>,
}

impl<'c> Details<'c> {
    /// Reads a certificate.
    pub(super) fn of(certificate: &'c CertificateDer<'_>) -> Result<Self, Error> {
        Self::read(certificate).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
    }

    fn read(certificate: &'c [u8]) -> Option<Self> {
        let mut outer = Der(Der(certificate).take(SEQUENCE)?);
        let mut fields = Der(outer.take(SEQUENCE)?);
        if fields.0.first() == Some(&VERSION) {
            fields.take(VERSION)?;
        }
        fields.take(INTEGER)?;
        let (_signature, _issuer) = (fields.take(SEQUENCE)?, fields.take(SEQUENCE)?);
        let mut validity = Der(fields.take(SEQUENCE)?);
        let (from, to) = (time(validity.next()?)?, time(validity.next()?)?);
        Some(Self { from, to, common_name: common_name(fields.take(SEQUENCE)?) })
    }

    /// Whether the certificate is good at this time.
    pub(super) fn check_time(&self, now: UnixTime) -> Result<(), Error> {
        if now.as_secs() < self.from {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now.as_secs() > self.to {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        Ok(())
    }

    /// Whether the certificate is that of a server of this name, which rustls has found not to be among its alternative
    /// names: one without any has its name where it used to be, as libpq reads it.
    pub(super) fn check_name(&self, name: &ServerName<'_>, error: Error) -> Result<(), Error> {
        let has_no_others = matches!(
            &error,
            Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) if presented.is_empty()
        );
        let wanted = name.to_str();
        let is_it = self.common_name.is_some_and(|common| common.eq_ignore_ascii_case(&wanted));
        if has_no_others && is_it { Ok(()) } else { Err(error) }
    }
}

/// The seconds from 1970 to `YYYYMMDDHHMMSSZ`, or 0 if that was before.
fn time((tag, text): (u8, &[u8])) -> Option<u64> {
    let digits = text.strip_suffix(b"Z").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let (year, rest) = digits.split_at_checked(if tag == UTC_TIME { 2 } else { 4 })?;
    let year = match number(year) {
        // Two digits of the year: 50 and later are the twentieth century's.
        year @ 50.. if tag == UTC_TIME => 1900 + year,
        year if tag == UTC_TIME => 2000 + year,
        year => year,
    };
    let parts: &[[u8; 2]; 5] = rest.as_chunks().0.try_into().ok().filter(|_| rest.len() == 10)?;
    let [month, day, hour, minute, second] = parts.map(|digits| number(&digits));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if !(1..=12).contains(&month) || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years that begin in March have the day of a leap year at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(seconds.saturating_sub(719_469 * 86_400))
}

/// The last common name of a subject: the most specific one.
fn common_name(subject: &[u8]) -> Option<&str> {
    let mut found = None;
    let mut parts = Der(subject);
    while let Some(part) = parts.take(SET) {
        let mut pair = Der(Der(part).take(SEQUENCE)?);
        if pair.take(OBJECT)? == COMMON_NAME {
            found = std::str::from_utf8(pair.next()?.1).ok();
        }
    }
    found
}

/// Values of DER, one behind the other.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The next value, which must have this tag.
    fn take(&mut self, tag: u8) -> Option<&'d [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, value)| value)
    }

    /// The next value with its tag.
    fn next(&mut self) -> Option<(u8, &'d [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate(name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "tests");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(1999, 2, 3);
        params.not_after = date_time_ymd(2051, 2, 3);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_tells_its_time_and_its_name() {
        let der = certificate("db.example");
        let details = Details::of(&der).unwrap();
        assert_eq!(details.common_name, Some("db.example"));
        let at = |text: &str| {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                u64::try_from(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp()).unwrap(),
            ))
        };
        let invalid = |error| Err(Error::InvalidCertificate(error));
        assert_eq!(details.check_time(at("1999-02-02T23:59:59Z")), invalid(CertificateError::NotValidYet));
        assert_eq!(details.check_time(at("2026-01-01T00:00:00Z")), Ok(()));
        assert_eq!(details.check_time(at("2051-02-03T00:00:01Z")), invalid(CertificateError::Expired));
    }

    proptest! {
        #[test]
        fn times_are_those_of_the_calendar(seconds in 0_u32..) {
            let at = chrono::DateTime::from_timestamp(seconds.into(), 0).unwrap();
            let [long, short] = ["%Y%m%d%H%M%SZ", "%y%m%d%H%M%SZ"].map(|form| at.format(form).to_string());
            prop_assert_eq!(time((0x18, long.as_bytes())), Some(seconds.into()));
            // Until 2050.
            let is_told = seconds < 2_524_608_000;
            prop_assert_eq!(time((UTC_TIME, short.as_bytes())).filter(|_| is_told), is_told.then_some(seconds.into()));
        }
    }

    #[test]
    fn what_is_no_time_of_the_calendar_is_refused() {
        let generalized = |text: &str| time((0x18, text.as_bytes()));
        for good in ["20240229000000Z", "20000229000000Z", "20231231235959Z"] {
            assert!(generalized(good).is_some(), "{good}");
        }
        for bad in [
            "20230229000000Z",
            "21000229000000Z",
            "20240431000000Z",
            "20240100000000Z",
            "20241301000000Z",
            "20240101240000Z",
            "20240101000000",
            "2024010100000Z",
        ] {
            assert_eq!(generalized(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_an_error() {
        let der = certificate("x");
        for end in 0..der.len() {
            let cut = CertificateDer::from(&der[..end]);
            assert!(Details::of(&cut).is_err(), "{end} bytes of it");
        }
        assert!(Details::of(&CertificateDer::from(&[0x30, 0x84, 1, 1, 1, 1][..])).is_err());
    }
}
