//! Where a message of the server begins and ends. Used by the link, which deals messages out, and by those who read them.

/// The tag and the length that begin each message.
pub(super) const HEAD: usize = 5;

/// How long the message at the front is, head included, if its head is here.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.get(1..)?.first_chunk()?;
    // The length counts itself; what is shorter than that is no message, and is taken for the shortest.
    Some(1 + (u32::from_be_bytes(*length) as usize).max(4))
}

/// The messages of a piece that holds whole ones: their tags and bodies.
pub(crate) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (message, rest) = bytes.split_at_checked(length(bytes)?)?;
        bytes = rest;
        Some((message[0], &message[HEAD..]))
    })
}
