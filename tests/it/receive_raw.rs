//! A peer that sends what it likes, byte by byte: for what no proper sender does.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PATIENCE: Duration = Duration::from_secs(10);

pub struct Raw(pub TcpStream);

/// An item of an association request.
fn item(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind, 0], length.as_slice(), value].concat()
}

/// A PDU with an honest length.
pub fn pdu(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 0], length.as_slice(), body].concat()
}

/// An association request for contexts of identifier, class and syntax.
pub fn associate_rq(calling: &[u8], contexts: &[(u8, &str, &str)], max_pdu: u32) -> Vec<u8> {
    let mut body = vec![0, 1, 0, 0];
    for name in [b"DOUBLEREAD".as_slice(), calling] {
        body.extend(name.iter().copied().chain(std::iter::repeat(b' ')).take(16));
    }
    body.extend([0; 32]);
    body.extend(item(0x10, b"1.2.840.10008.3.1.1.1"));
    for (id, class, syntax) in contexts {
        let value =
            [vec![*id, 0, 0, 0], item(0x30, class.as_bytes()), item(0x40, syntax.as_bytes())].concat();
        body.extend(item(0x20, &value));
    }
    body.extend(item(0x50, &item(0x51, &max_pdu.to_be_bytes())));
    pdu(1, &body)
}

/// One presentation data value in a PDU of its own.
pub fn value(context: u8, command: bool, ends: bool, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len() + 2).unwrap().to_be_bytes();
    let control = u8::from(command) | if ends { 2 } else { 0 };
    pdu(4, &[length.as_slice(), &[context, control], bytes].concat())
}

/// A command set of elements of group 0000.
pub fn command_set(elements: &[(u16, Vec<u8>)]) -> Vec<u8> {
    elements
        .iter()
        .flat_map(|(number, value)| {
            let mut value = value.clone();
            if value.len() % 2 == 1 {
                value.push(0);
            }
            let length = u32::try_from(value.len()).unwrap().to_le_bytes();
            [[0, 0].as_slice(), &number.to_le_bytes(), &length, &value].concat()
        })
        .collect()
}

/// A request with a field, and with class and instance where a data set follows.
pub fn request(field: u16, class: &str, uid: &str, has_data_set: bool) -> Vec<u8> {
    let kind: u16 = if has_data_set { 1 } else { 0x0101 };
    command_set(&[
        (0x0002, class.into()),
        (0x0100, field.to_le_bytes().into()),
        (0x0110, 7_u16.to_le_bytes().into()),
        (0x0800, kind.to_le_bytes().into()),
        (0x1000, uid.into()),
    ])
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// Connects and has the contexts accepted.
    pub async fn associate(address: SocketAddr, contexts: &[(u8, &str, &str)], max_pdu: u32) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send(&associate_rq(b"RAW", contexts, max_pdu)).await;
        let (kind, _) = raw.pdu().await.expect("an answer to the association request");
        assert_eq!(kind, 2, "the association was not accepted");
        raw
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // The receiver may have closed already, which the next read shows.
        let _ = self.0.write_all(bytes).await;
    }

    /// The next PDU; `None` when the receiver has closed.
    pub async fn pdu(&mut self) -> Option<(u8, Vec<u8>)> {
        tokio::time::timeout(PATIENCE, async {
            let mut head = [0; 6];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([head[2], head[3], head[4], head[5]]);
            let mut body = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut body).await.ok()?;
            Some((head[0], body))
        })
        .await
        .expect("an answer in time")
    }

    /// The status of the response that comes next.
    pub async fn status(&mut self) -> u16 {
        let mut command = Vec::new();
        loop {
            let (kind, body) = self.pdu().await.expect("a response");
            assert_eq!(kind, 4, "a response was expected");
            command.extend_from_slice(&body[6..]);
            if body[5] & 2 != 0 {
                break;
            }
        }
        let at = command.windows(8).position(|w| w == [0, 0, 0, 9, 2, 0, 0, 0]).expect("a status");
        u16::from_le_bytes([command[at + 8], command[at + 9]])
    }

    /// Whether the receiver ends the association, by abort or by closing.
    pub async fn is_ended(&mut self) -> bool {
        match self.pdu().await {
            None => true,
            Some((kind, _)) => kind == 7,
        }
    }
}
