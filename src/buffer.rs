//! Bytes that are kept until the service has confirmed them.

use crate::crc64::{self, Crc64};
use std::{
    fmt, mem,
    ops::{Deref, Range},
    sync::Arc,
};

/// A buffer of fixed capacity, allocated once, at the first byte.
pub(crate) struct Buffer {
    /// Zeroed by the system, so pages that are never filled are never resident. Empty while it is lent.
    storage: Vec<u8>,
    /// It, while there are shares in it. Taken back by who changes it next: bytes that come a few at a time would pay for
    /// an atomic each time, which waits for all that was copied before.
    lent: Arc<Vec<u8>>,
    start: usize,
    filled: usize,
    capacity: usize,
    /// Of the first `summed` bytes: taken as they come in, while the processor's caches still hold them.
    crc: Crc64,
    summed: usize,
}

/// Big allocations begin 16 bytes behind a page, from where the kernel copies at a half to a quarter of its speed on
/// some processors (measured on Zen 3).
const ALIGNMENT: usize = 64;

impl Buffer {
    /// What one allocation can hold: on a machine of 32 bits less than an object.
    pub(crate) const MOST: usize = isize::MAX.cast_unsigned() - ALIGNMENT;

    pub(crate) fn new(capacity: usize) -> Self {
        Self { storage: Vec::new(), lent: Arc::default(), start: 0, filled: 0, capacity, crc: Crc64::new(), summed: 0 }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage()[self.start..self.start + self.filled]
    }

    pub(crate) fn len(&self) -> usize {
        self.filled
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn len_free(&self) -> usize {
        self.capacity - self.filled
    }

    /// Takes as much of `data` as fits.
    pub(crate) fn push(&mut self, data: &[u8]) -> usize {
        let taken = data.len().min(self.len_free());
        for piece in data[..taken].chunks(crc64::PIECE) {
            self.free(piece.len()).copy_from_slice(piece);
            self.grow(piece.len());
        }
        taken
    }

    /// Room for up to `most` bytes, to be written and then [grown](Self::grow) into.
    pub(crate) fn free(&mut self, most: usize) -> &mut [u8] {
        if self.storage_mut().is_empty() {
            self.storage = vec![0; self.capacity + ALIGNMENT - 1];
            self.start = self.storage.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT - 1);
        }
        let from = self.start + self.filled;
        let most = most.min(self.len_free());
        &mut self.storage[from..from + most]
    }

    pub(crate) fn grow(&mut self, bytes: usize) {
        self.filled += bytes;
        debug_assert!(self.filled <= self.capacity);
        if self.filled - self.summed >= crc64::PIECE {
            self.sum();
        }
    }

    /// Forgets the first bytes.
    pub(crate) fn consume(&mut self, bytes: usize) {
        let (start, end) = (self.start, self.start + self.filled);
        self.storage_mut().copy_within(start + bytes..end, start);
        self.filled -= bytes;
        (self.crc, self.summed) = (Crc64::new(), 0);
    }

    /// A share in the first bytes, which is to be gone before the buffer changes again.
    pub(crate) fn share(&mut self, bytes: usize) -> Shared {
        assert!(bytes <= self.filled);
        if !self.storage.is_empty() {
            *Arc::make_mut(&mut self.lent) = mem::take(&mut self.storage);
        }
        Shared { storage: Arc::clone(&self.lent), range: self.start..self.start + bytes }
    }

    /// The CRC of the first bytes, if they are all there are. Of others it would have to be taken anew.
    pub(crate) fn crc64_of_first(&mut self, bytes: usize) -> Option<u64> {
        (bytes == self.filled).then(|| self.sum())
    }

    fn sum(&mut self) -> u64 {
        let mut crc = mem::take(&mut self.crc);
        crc.update(&self.bytes()[self.summed..]);
        self.crc = crc;
        self.summed = self.filled;
        self.crc.value()
    }

    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        let mut storage = mem::take(self.storage_mut());
        storage.truncate(self.start + self.filled);
        storage.drain(..self.start);
        storage
    }

    /// A share is made for one append. Its body, the attempts at it and what they lent to the wire end before the
    /// append returns or its panic is caught; see `wire::Call` for the last. Should one be left all the same, it keeps
    /// its bytes and this goes on with a copy.
    fn storage_mut(&mut self) -> &mut Vec<u8> {
        if self.storage.is_empty() {
            self.storage = mem::take(Arc::make_mut(&mut self.lent));
        }
        &mut self.storage
    }

    fn storage(&self) -> &[u8] {
        if self.storage.is_empty() { &self.lent } else { &self.storage }
    }
}

/// Bytes of a buffer, to be sent from where they lie.
#[derive(Clone)]
pub(crate) struct Shared {
    storage: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Shared {
    /// Parts with the first bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> Self {
        assert!(bytes <= self.len());
        let from = self.range.start;
        self.range.start += bytes;
        Self { storage: Arc::clone(&self.storage), range: from..self.range.start }
    }
}

impl Deref for Shared {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.storage[self.range.clone()]
    }
}

impl fmt::Debug for Buffer {
    /// How full it is, never what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({}/{})", self.filled, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_where_the_kernel_copies_fast() {
        let mut buffer = Buffer::new(1 << 20);
        buffer.push(b"x");
        assert_eq!(buffer.bytes().as_ptr().align_offset(ALIGNMENT), 0);
    }

    #[test]
    fn the_most_is_what_can_be_asked_for_at_once() {
        let layout = |bytes| std::alloc::Layout::array::<u8>(bytes);
        assert!(layout(Buffer::MOST + ALIGNMENT - 1).is_ok());
        assert!(layout(Buffer::MOST + ALIGNMENT + 1).is_err());
    }

    #[test]
    fn nothing_is_allocated_before_the_first_byte_and_nothing_after_it() {
        let mut buffer = Buffer::new(1000);
        assert_eq!(buffer.storage.capacity() + buffer.lent.capacity(), 0);
        buffer.push(b"x");
        let place = buffer.bytes().as_ptr();
        for _ in 0..10 {
            assert_eq!(buffer.push(&[1; 2000]), buffer.capacity() - 1);
            assert_eq!(buffer.len_free(), 0);
            buffer.consume(999);
        }
        assert_eq!(buffer.bytes().as_ptr(), place);
    }

    #[test]
    fn what_is_consumed_leaves_from_the_front() {
        let mut buffer = Buffer::new(6);
        buffer.push(b"abcdef");
        buffer.consume(4);
        buffer.free(2).copy_from_slice(b"gh");
        buffer.grow(2);
        assert_eq!(buffer.bytes(), b"efgh");
        assert_eq!(buffer.into_bytes(), b"efgh");
    }

    #[test]
    fn its_sum_is_that_of_its_bytes_however_they_came_and_went() {
        let mut buffer = Buffer::new(3 * crc64::PIECE);
        let data: Vec<u8> = (0..3 * crc64::PIECE).map(|i| (i % 251) as u8).collect();
        for size in [1, 100, crc64::PIECE - 1, crc64::PIECE, crc64::PIECE + 1, data.len(), 7] {
            buffer.push(&data[..size]);
            let read = size.min(buffer.len_free());
            buffer.free(read).copy_from_slice(&data[..read]);
            buffer.grow(read);
            let filled = buffer.len();
            assert_eq!(buffer.crc64_of_first(filled), Some(crc64::of(buffer.bytes())));
            assert_eq!(buffer.crc64_of_first(filled - 1), None);
            buffer.consume(filled / 2);
            assert_eq!(buffer.crc64_of_first(filled - filled / 2), Some(crc64::of(buffer.bytes())));
            buffer.consume(buffer.len());
            assert_eq!(buffer.crc64_of_first(0), Some(0));
        }
    }

    #[test]
    fn a_share_is_taken_from_the_front_and_given_back() {
        let mut buffer = Buffer::new(6);
        buffer.push(b"abcdef");
        let place = buffer.bytes().as_ptr();
        let mut share = buffer.share(5);
        assert_eq!(&*share.take(2), b"ab");
        assert_eq!(&*share, b"cde");
        assert_eq!(buffer.bytes(), b"abcdef");
        drop(share);
        buffer.consume(5);
        assert_eq!((buffer.bytes(), buffer.bytes().as_ptr()), (&b"f"[..], place));
    }

    #[test]
    fn a_share_that_is_left_keeps_its_bytes() {
        let mut buffer = Buffer::new(3);
        buffer.push(b"abc");
        let left = buffer.share(3);
        buffer.consume(3);
        buffer.push(b"def");
        assert_eq!((&*left, &*buffer.share(3)), (&b"abc"[..], &b"def"[..]));
    }
}
