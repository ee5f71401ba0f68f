//! A server on loopback: where it is, its threads, and their end.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// Stopped when dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Each connection has a thread, and ends when `serve` returns.
    pub(crate) fn start(serve: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let stops = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stops);
        let thread = Some(thread::spawn(move || listen(&listener, &Arc::new(serve), &told)));
        Self { address, stops, thread }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address)); // wakes whoever waits in `accept`
        let _ = self.thread.take().unwrap().join(); // a panic there was printed there
    }
}

fn listen<S>(listener: &TcpListener, serve: &Arc<S>, stops: &AtomicBool)
where
    S: Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
{
    let mut open: Vec<(Weak<TcpStream>, JoinHandle<()>)> = Vec::new();
    loop {
        let (client, _) = listener.accept().unwrap();
        if stops.load(Ordering::SeqCst) {
            break;
        }
        open.retain(|(_, thread)| !thread.is_finished());
        // What is closed with bytes unread ends by a reset, as with a service; so the list must not keep it open.
        let (serve, client) = (Arc::clone(serve), Arc::new(client));
        let to_end = Arc::downgrade(&client);
        let thread = thread::spawn(move || drop(serve(&client))); // there is nobody to tell
        open.push((to_end, thread));
    }
    for (client, thread) in open {
        if let Some(client) = client.upgrade() {
            let _ = client.shutdown(Shutdown::Both); // it may be closed already
        }
        let _ = thread.join();
    }
}
