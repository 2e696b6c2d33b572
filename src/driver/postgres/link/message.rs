//! Where a message of the server begins and ends.

/// The size of the header of a message: tag and length.
pub(super) const HEAD: usize = 5;

/// The length of the first message with its header, if the header is complete.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..)?.first_chunk()?;
    // The length includes itself; a shorter one is invalid and treated as the shortest.
    Some(1 + (u32::from_be_bytes(*length) as usize).max(4))
}

/// The tags and bodies of complete messages.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (message, rest) = bytes.split_at_checked(length(bytes)?)?;
        bytes = rest;
        Some((message[0], &message[HEAD..]))
    })
}
