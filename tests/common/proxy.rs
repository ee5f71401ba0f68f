//! A proxy on loopback that leads everybody to one place, whatever name they ask for: HTTP CONNECT, SOCKS 4, 4a and 5.

#![allow(dead_code, reason = "each crate of tests uses its part")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use super::listener::Listener;
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Somebody who asked to be led on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// `CONNECT`, `SOCKS4` or `SOCKS5`.
    pub(crate) how: &'static str,
    /// `host:port`
    pub(crate) to: String,
    /// `user:password` of SOCKS 5.
    pub(crate) credentials: Option<String>,
    /// Request line and headers of a CONNECT.
    pub(crate) head: String,
}

/// What the proxy does when asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Does {
    Lead,
    /// These bytes instead, then the end.
    Say(Vec<u8>),
    /// Nothing until the client goes.
    Hold,
}

impl Does {
    pub(crate) fn refuse(status: u16) -> Self {
        let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        Self::Say(head.into_bytes())
    }
}

struct Shared {
    to: SocketAddr,
    does: Does,
    asked: Mutex<Vec<Asked>>,
    /// What clients said in their tunnels.
    carried: Mutex<Vec<u8>>,
}

/// Stopped when dropped.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    listener: Listener,
}

impl Proxy {
    pub(crate) fn start(to: SocketAddr, does: Does) -> Self {
        let (asked, carried) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { to, does, asked, carried });
        let serving = Arc::clone(&shared);
        Self { shared, listener: Listener::start(move |client| serving.serve(client)) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Did a client say this in its tunnel?
    pub(crate) fn carried(&self, text: &str) -> bool {
        self.shared.carried.lock().unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes())
    }
}

impl Shared {
    fn serve(&self, mut client: &TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        let (asked, good): (_, &[u8]) = match byte(client)? {
            4 => (socks4(client)?, &[0, 90, 0, 0, 0, 0, 0, 0]),
            5 => (socks5(client)?, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
            first => (connect(client, first)?, b"HTTP/1.1 200 Connection established\r\n\r\n"),
        };
        self.asked.lock().unwrap().push(asked);
        match &self.does {
            Does::Lead => {
                let server = TcpStream::connect(self.to)?;
                server.set_nodelay(true)?;
                client.write_all(good)?;
                self.tunnel(client, &server)
            }
            Does::Say(text) => {
                client.write_all(text)?;
                client.shutdown(Shutdown::Write)?;
                io::copy(&mut client, &mut io::sink()).map(drop)
            }
            Does::Hold => io::copy(&mut client, &mut io::sink()).map(drop),
        }
    }

    fn tunnel(&self, client: &TcpStream, server: &TcpStream) -> io::Result<()> {
        thread::scope(|scope| {
            let up = scope.spawn(|| self.carry(client, server));
            let down = io::copy(&mut &*server, &mut &*client);
            // What is behind has closed: as with its own socket, nothing more is taken.
            let _ = client.shutdown(Shutdown::Both);
            let _ = server.shutdown(Shutdown::Both);
            let _ = up.join();
            down.map(drop)
        })
    }

    fn carry(&self, mut client: &TcpStream, mut server: &TcpStream) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(n @ 1..) = client.read(&mut buffer) {
            let mut carried = self.carried.lock().unwrap();
            if carried.len() < 1 << 20 {
                carried.extend_from_slice(&buffer[..n]);
            }
            drop(carried);
            if server.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
    }
}

fn byte(mut client: &TcpStream) -> io::Result<u8> {
    let mut byte = [0];
    client.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn bytes(mut client: &TcpStream, n: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; n.into()];
    client.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn text(client: &TcpStream) -> io::Result<String> {
    let n = byte(client)?;
    Ok(String::from_utf8(bytes(client, n)?).unwrap())
}

fn until_nul(client: &TcpStream) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        match byte(client)? {
            0 => return Ok(String::from_utf8(text).unwrap()),
            byte => text.push(byte),
        }
    }
}

fn port(client: &TcpStream) -> io::Result<u16> {
    Ok(u16::from_be_bytes([byte(client)?, byte(client)?]))
}

fn address(client: &TcpStream) -> io::Result<String> {
    Ok(bytes(client, 4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."))
}

/// RFC 9110, section 9.3.6.
fn connect(client: &TcpStream, first: u8) -> io::Result<Asked> {
    let mut head = vec![first];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(byte(client)?);
    }
    let head = String::from_utf8(head).unwrap();
    let to = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let to = to.unwrap_or("no CONNECT").to_owned();
    Ok(Asked { how: "CONNECT", to, credentials: None, head })
}

/// The SOCKS 4 protocol and its extension 4a: 0.0.0.x means that the name follows.
fn socks4(client: &TcpStream) -> io::Result<Asked> {
    assert_eq!(byte(client)?, 1, "connect");
    let (port, address) = (port(client)?, address(client)?);
    let _user = until_nul(client)?;
    let host = if address.starts_with("0.0.0.") { until_nul(client)? } else { address };
    Ok(Asked { how: "SOCKS4", to: format!("{host}:{port}"), credentials: None, head: String::new() })
}

/// RFC 1928 and, for the password, RFC 1929: it is asked for where it is offered.
fn socks5(mut client: &TcpStream) -> io::Result<Asked> {
    let n = byte(client)?;
    let mut credentials = None;
    if bytes(client, n)?.contains(&2) {
        client.write_all(&[5, 2])?;
        assert_eq!(byte(client)?, 1, "the version of RFC 1929");
        credentials = Some(format!("{}:{}", text(client)?, text(client)?));
        client.write_all(&[1, 0])?;
    } else {
        client.write_all(&[5, 0])?;
    }
    assert_eq!(bytes(client, 3)?, [5, 1, 0], "connect");
    let host = match byte(client)? {
        1 => address(client)?,
        3 => text(client)?,
        other => panic!("an address of kind {other}"),
    };
    Ok(Asked { how: "SOCKS5", to: format!("{host}:{}", port(client)?), credentials, head: String::new() })
}
