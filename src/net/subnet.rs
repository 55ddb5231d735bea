//! Ranges of addresses: `10.61.0.0/16`, `fd70:6f64:7274:30::/64`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    /// With no bit below the prefix.
    base: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// Addresses of a host's bits, clear ones above the prefix.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Subnet, String> {
        let width = width(address);
        if prefix > width {
            return Err(format!("a prefix has at most {width} bits (got {prefix})"));
        }
        let subnet = Subnet { base: address, prefix };
        let base = from_bits(bits(address) & !subnet.low(), address);
        Ok(Subnet { base, prefix })
    }

    /// Ones in the bits of the host.
    fn low(&self) -> u128 {
        match width(self.base) - self.prefix {
            128 => u128::MAX,
            n => (1 << n) - 1,
        }
    }

    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    pub fn is_v4(&self) -> bool {
        self.base.is_ipv4()
    }

    pub fn base(&self) -> IpAddr {
        self.base
    }

    /// The address with `number` in the host's bits; None beyond the end.
    pub fn nth(&self, number: u128) -> Option<IpAddr> {
        (number <= self.low()).then(|| from_bits(bits(self.base) | number, self.base))
    }

    /// The first address is the bridge's.
    pub fn gateway(&self) -> IpAddr {
        self.nth(1).unwrap_or(self.base)
    }

    /// Numbers that a pod may have: after the gateway, before a broadcast address, and not more than anybody needs.
    pub fn numbers(&self) -> std::ops::Range<u128> {
        2..self.low().min(1 << 20)
    }

    /// The number of a pod's address.
    pub fn number(&self, address: IpAddr) -> Option<u128> {
        let number = bits(address) & self.low();
        (self.contains(address) && number > 1 && number < self.low()).then_some(number)
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4() && bits(address) & !self.low() == bits(self.base)
    }

    pub fn overlaps(&self, other: &Subnet) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }

    /// All ones in the bits of the prefix, as an address is laid out.
    pub fn mask(&self) -> Vec<u8> {
        octets(from_bits(!self.low(), self.base))
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

fn from_bits(bits: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from_bits(bits as u32).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(bits).into(),
    }
}

/// In the order of the wire.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Subnet, String> {
        const WANT: &str = "want ADDRESS/PREFIX, such as 10.61.0.0/16";
        let (address, prefix) = text.split_once('/').ok_or(WANT)?;
        let address: IpAddr = address.parse().map_err(|_| WANT)?;
        let prefix = Some(prefix).filter(|p| p.bytes().all(|b| b.is_ascii_digit())).and_then(|p| p.parse().ok()).ok_or(WANT)?;
        let subnet = Subnet::new(address, prefix)?;
        if subnet.base != address {
            return Err(format!("has bits below its prefix (want {subnet})"));
        }
        if subnet.numbers().is_empty() {
            return Err("has no room for a bridge and a pod".into());
        }
        Ok(subnet)
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;

    fn try_from(text: String) -> Result<Subnet, String> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_addresses() {
        let v4: Subnet = "10.61.0.0/16".parse().unwrap();
        let at = |n| v4.nth(n).map(|a| a.to_string());
        assert_eq!((at(1).as_deref(), at(258).as_deref(), at(65536)), (Some("10.61.0.1"), Some("10.61.1.2"), None));
        assert_eq!(v4.numbers(), 2..65535);
        let v6: Subnet = "fd70:6f64:7274:30::/64".parse().unwrap();
        assert_eq!(v6.nth(258).unwrap().to_string(), "fd70:6f64:7274:30::102");
        assert_eq!(v6.number(v6.nth(7).unwrap()), Some(7));
        for (address, want) in
            [("10.61.0.1", None), ("10.61.0.2", Some(2)), ("10.62.0.2", None), ("10.61.255.255", None), ("::2", None)]
        {
            assert_eq!(v4.number(address.parse().unwrap()), want, "{address}");
        }
        assert_eq!(v4.mask(), [255, 255, 0, 0]);
    }

    #[test]
    fn overlaps_are_seen_from_both_sides() {
        let s = |t: &str| t.parse::<Subnet>().unwrap();
        for (a, b, want) in [
            ("10.0.0.0/8", "10.61.0.0/16", true),
            ("10.61.3.0/24", "10.61.0.0/16", true),
            ("10.60.0.0/16", "10.61.0.0/16", false),
            ("fd00::/8", "fd70::/64", true),
            ("10.0.0.0/8", "fd70::/64", false),
        ] {
            assert_eq!((s(a).overlaps(&s(b)), s(b).overlaps(&s(a))), (want, want), "{a} {b}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in
            ["", "10.61.0.0", "10.61.0.0/33", "10.61.0.1/16", "10.61.0.0/31", "10.61.0.0/+8", "x/8", "fd70::/129", "fd70::/128"]
        {
            assert!(text.parse::<Subnet>().is_err(), "{text:?}");
        }
    }
}
