//! One place for what goes out and one for what comes in.

use super::offer;
use crate::buffer::Shared;
use ureq::unversioned::transport::Buffers;

/// So much is sent at once. Smaller costs more calls, larger leaves the processor's caches (measured).
const OUT: usize = 512 << 10;
/// In front of that: a request's head. Longer ones lie at the beginning of the rest.
const HEAD: usize = 16 << 10;
const IN: usize = 64 << 10;
/// No more is kept that nobody can use yet: more than the longest head that is allowed, and any record of TLS.
const IN_MOST: usize = 128 << 10;
/// A body that starts on a page is copied faster by the kernel than one that lies 16 bytes behind it, as big
/// allocations do.
const PAGE: usize = 4096;
/// With less room than this it counts as full. A chunk needs room for its frame: the client takes an empty read for
/// the end of the body, so it must never be offered none.
const LITTLE: usize = 4096;

/// ```text
///           HEAD        page           OUT
///   |      [ head ]│[ body …   ][ free      ]|
///           ▲start  ▲page       ▲end = output()
/// ```
pub(super) struct Store {
    /// Never grows, so that a page stays a page. Zeroed by the system: pages never filled are never resident.
    out: Vec<u8>,
    page: usize,
    start: usize,
    end: usize,
    /// To be sent behind that.
    loan: Option<Shared>,
    input: Vec<u8>,
    consumed: usize,
    filled: usize,
    /// Was something consumed at last? If not, what is there was not enough.
    progress: bool,
}

impl Store {
    pub(super) fn new() -> Self {
        let out = vec![0; HEAD + PAGE + OUT];
        let page = HEAD + out[HEAD..].as_ptr().align_offset(PAGE).min(PAGE);
        Self {
            out,
            page,
            start: page,
            end: page,
            loan: None,
            input: vec![0; IN],
            consumed: 0,
            filled: 0,
            progress: false,
        }
    }

    /// What waits to be sent, and goes out next.
    ///
    /// A head and a loan behind it make two writes: the standard library's vectored write lets a broken connection
    /// kill a process that does not ignore SIGPIPE.
    pub(super) fn pending(&self) -> &[u8] {
        match &self.loan {
            Some(loan) if self.start == self.end => loan,
            _ => &self.out[self.start..self.end],
        }
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending().is_empty()
    }

    /// The first `amount` bytes of the free room are to be sent.
    pub(super) fn push(&mut self, amount: usize) {
        self.end += amount;
    }

    /// The same, for the first piece of a request: it is moved in front of the page, where the body will begin.
    pub(super) fn push_head(&mut self, amount: usize) {
        if self.has_pending() || amount > HEAD {
            return self.push(amount);
        }
        self.out.copy_within(self.page..self.page + amount, self.page - amount);
        (self.start, self.end) = (self.page - amount, self.page);
    }

    /// These are to be sent from where they lie. Nothing may be pushed before they are gone.
    pub(super) fn borrow(&mut self, loan: Shared) {
        self.loan = Some(loan);
    }

    pub(super) fn is_full(&self) -> bool {
        self.page + OUT - self.end < LITTLE
    }

    /// The first `amount` bytes are gone.
    pub(super) fn sent(&mut self, amount: usize) {
        match &mut self.loan {
            Some(loan) if self.start == self.end => drop(loan.take(amount)),
            _ => self.start += amount,
        }
        if !self.has_pending() {
            self.discard();
        }
    }

    pub(super) fn discard(&mut self) {
        (self.start, self.end, self.loan) = (self.page, self.page, None);
    }

    /// Is there input that nobody has looked at?
    pub(super) fn has_news(&self) -> bool {
        self.progress && self.consumed < self.filled
    }

    fn make_room(&mut self) {
        if self.consumed > 0 {
            self.input.copy_within(self.consumed..self.filled, 0);
            (self.consumed, self.filled) = (0, self.filled - self.consumed);
        }
        if self.filled + LITTLE > self.input.len() {
            self.input.resize(self.filled + IN, 0);
        }
    }
}

impl Buffers for Store {
    fn output(&mut self) -> &mut [u8] {
        &mut self.out[self.end..self.page + OUT]
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.make_room();
        let output = &mut self.out[self.end..self.page + OUT];
        offer(output);
        (&mut self.input[self.filled..], output)
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    /// Empty if too much is there already: an answer that comes to no end.
    fn input_append_buf(&mut self) -> &mut [u8] {
        self.make_room();
        let end = self.input.len().min(IN_MOST).max(self.filled);
        &mut self.input[self.filled..end]
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed = (self.consumed + amount).min(self.filled);
    }

    /// Never before everything is out: what is there already cannot be the answer to what is not.
    fn can_use_input(&self) -> bool {
        self.has_news() && !self.has_pending()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(store: &mut Store, bytes: &[u8]) {
        store.output()[..bytes.len()].copy_from_slice(bytes);
    }

    #[test]
    fn a_body_begins_on_a_page_and_right_behind_its_head() {
        let mut store = Store::new();
        for _ in 0..2 {
            put(&mut store, b"head");
            store.push_head(4);
            assert_eq!(store.output().as_ptr().align_offset(PAGE), 0);
            put(&mut store, b"body");
            store.push(4);
            assert_eq!(store.pending(), b"headbody");
            store.sent(3);
            assert_eq!(store.pending(), b"dbody");
            store.sent(5);
            assert!(!store.has_pending());
        }
    }

    #[test]
    fn a_head_longer_than_its_place_is_sent_as_well() {
        let mut store = Store::new();
        let head = vec![b'h'; HEAD + 1];
        put(&mut store, &head);
        store.push_head(head.len());
        put(&mut store, b"body");
        store.push(4);
        assert!(store.pending().starts_with(&head) && store.pending().ends_with(b"hbody"));
    }

    #[test]
    fn there_is_always_room_until_it_is_full() {
        let mut store = Store::new();
        while !store.is_full() {
            let (scratch, output) = store.tmp_and_output();
            assert!(scratch.len() >= LITTLE && output.len() >= LITTLE);
            store.push(1000);
        }
        store.input_append_buf().fill(b'i');
        store.input_appended(IN);
        assert!(store.input_append_buf().len() >= LITTLE && store.tmp_and_output().0.len() >= LITTLE);
        assert_eq!(store.input().len(), IN);
    }

    #[test]
    fn what_nobody_can_use_is_kept_up_to_a_limit() {
        let mut store = Store::new();
        let mut kept = 0;
        while !store.input_append_buf().is_empty() {
            let room = store.input_append_buf().len();
            store.input_appended(room);
            kept += room;
        }
        assert_eq!(kept, IN_MOST);
        assert!(store.tmp_and_output().0.len() >= LITTLE, "a body never meets an end here");
        store.input_consume(1);
        assert!(!store.input_append_buf().is_empty());
    }

    #[test]
    fn nothing_is_taken_for_an_answer_while_the_question_waits() {
        let mut store = Store::new();
        store.input_append_buf()[..5].copy_from_slice(b"stray");
        store.input_appended(5);
        store.input_consume(1);
        assert!(store.can_use_input());
        store.push(1);
        assert!(!store.can_use_input());
        store.sent(1);
        assert!(store.can_use_input());
        store.input_consume(0);
        assert!(!store.can_use_input(), "it was not enough");
    }
}
