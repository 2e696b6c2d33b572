//! [`Network`]: an address with the length of its network, and how addresses are read and sent.

use std::{fmt, net::IpAddr, str::FromStr};

use crate::data::{
    cell::{Cell, FromCell, Mismatch},
    value::Value,
};

/// An address and the length of its network: `inet` and `cidr` of PostgreSQL, text elsewhere.
///
/// An [`IpAddr`] is read from the same columns, where the network is that one address.
///
/// # Examples
/// ```
/// use nestling::types::Network;
///
/// let home: Network = "10.0.0.0/8".parse()?;
/// assert_eq!((home.address.to_string(), home.prefix), ("10.0.0.0".into(), 8));
/// assert_eq!("::1".parse::<Network>()?.to_string(), "::1");
/// # Ok::<_, nestling::types::Mismatch>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "an address and a length are all that there is")]
pub struct Network {
    /// The address.
    pub address: IpAddr,
    /// How many of its bits, from the first on, are the network: 32 or 128 for one address alone.
    pub prefix: u8,
}

impl Network {
    fn whole(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    fn is_one_address(&self) -> bool {
        self.prefix == Self::whole(self.address)
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self { address, prefix: Self::whole(address) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, prefix } = self;
        if self.is_one_address() { address.fmt(f) } else { write!(f, "{address}/{prefix}") }
    }
}

/// An address, with `/` and the length of the network or without.
impl FromStr for Network {
    type Err = Mismatch;

    fn from_str(text: &str) -> Result<Self, Mismatch> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| Mismatch::invalid())?;
        let prefix = prefix.map_or_else(|| Ok(Self::whole(address)), str::parse).map_err(|_| Mismatch::invalid())?;
        if prefix > Self::whole(address) { Err(Mismatch::invalid()) } else { Ok(Self { address, prefix }) }
    }
}

impl From<Network> for Value {
    fn from(network: Network) -> Self {
        Self::Text(network.to_string())
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        Self::Text(address.to_string())
    }
}

impl<'r> FromCell<'r> for Network {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        match cell {
            Cell::Network { address, prefix } => Ok(Self { address, prefix }),
            Cell::Text(text) => text.parse(),
            other => Err(other.mismatch()),
        }
    }
}

/// Of a network of one address.
impl<'r> FromCell<'r> for IpAddr {
    fn from_cell(cell: Cell<'r>) -> Result<Self, Mismatch> {
        let network = Network::from_cell(cell)?;
        if network.is_one_address() { Ok(network.address) } else { Err(Mismatch::out_of_range()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        let read = |text| IpAddr::from_cell(Cell::Text(text)).map(|address| address.to_string());
        assert_eq!(read("10.0.0.1/32"), Ok("10.0.0.1".into()));
        assert_eq!(read("::1/128"), Ok("::1".into()));
        assert_eq!(read("10.0.0.1/8"), Err(Mismatch::out_of_range()));
        for text in ["", "10.0.0", "10.0.0.1/33", "::1/129", "10.0.0.1/", "10.0.0.1/x"] {
            assert_eq!(read(text), Err(Mismatch::invalid()), "{text}");
        }
    }
}
