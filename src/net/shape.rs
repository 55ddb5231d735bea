//! A bound on what an interface sends: a token bucket, tc-tbf(8). Source: linux/pkt_sched.h.

use super::socket::{ACK, CREATE, EXCL, REQUEST};
use super::wire::Message;

const RTM_NEWQDISC: u16 = 36;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_TBF_PARMS: u16 = 1;
const TCA_TBF_RATE64: u16 = 4;
const TCA_TBF_BURST: u16 = 6;
const TC_H_ROOT: u32 = u32::MAX;
const TC_LINKLAYER_ETHERNET: u8 = 1;

/// Bytes that may go at once: a tenth of a second's, and the largest packet in any case.
fn burst(rate: u64) -> u32 {
    (rate / 10).clamp(64 << 10, 256 << 20) as u32
}

/// The request that bounds an interface to `rate` bytes a second.
pub fn limit(index: u32, rate: u64) -> (Message, String) {
    let mut header = [0; 20];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&(1u32 << 16).to_ne_bytes());
    header[12..16].copy_from_slice(&TC_H_ROOT.to_ne_bytes());
    // struct tc_tbf_qopt: two ratespecs of twelve bytes, then limit (bytes that may wait), buffer and mtu.
    let mut options = [0; 36];
    options[1] = TC_LINKLAYER_ETHERNET;
    options[8..12].copy_from_slice(&u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
    options[24..28].copy_from_slice(&burst(rate).to_ne_bytes());
    let message =
        Message::new(RTM_NEWQDISC, REQUEST | ACK | CREATE | EXCL, &header).text(TCA_KIND, "tbf").nest(TCA_OPTIONS, |m| {
            let m = m.put(TCA_TBF_PARMS, &options).u32(TCA_TBF_BURST, burst(rate));
            if rate > u64::from(u32::MAX) { m.put(TCA_TBF_RATE64, &rate.to_ne_bytes()) } else { m }
        });
    (message, format!("bound interface {index} to {rate} bytes a second"))
}
