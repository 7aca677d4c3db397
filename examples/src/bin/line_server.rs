//! `line_server`: lines over TCP, on tokio. Each connection has a demand of its own, so a client that
//! does not read its answers is not read either, and there are four of them in the server, not more.
//!
//! Three clients connect: one that reads its answers, one that sends a line without end, and one that
//! sends and never reads. What that one sends more than the server takes is in the buffers of the system,
//! and then it waits.

#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use millstream::board::{Board, Side, Stall, stalls};
use millstream::chunk::Truncated;
use millstream::executor::Tokio;
use millstream::lifecycle::KillSwitch;
use millstream::prelude::*;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What this server is for: a line in capitals.
async fn answer(mut line: Vec<u8>) -> Vec<u8> {
    tokio::task::yield_now().await; // to a data base, in earnest
    line.make_ascii_uppercase();
    line.push(b'\n');
    line
}

/// One connection: four lines at a time, answered in their order. Gives how many bytes.
async fn serve(socket: TcpStream, stop: KillSwitch<io::Error>, board: Board) -> Result<u64, Error> {
    let here = Tokio::current();
    let (reader, writer) = socket.into_split();
    let answers = millstream::from_tokio_reader(here.clone(), reader, 1024)
        .stopped_by(&stop) // no more is read, and what was read is answered
        .delimited(b'\n', 64, Truncated::Fail)
        .map_err(io::Error::from)
        .map_async(here, 4, answer)
        .observed(&board);
    Ok(answers.write_to_tokio(writer).await?)
}

/// All connections, sixteen at a time, until it is stopped.
async fn server(
    listener: TcpListener,
    stop: KillSwitch<io::Error>,
    board: Board,
) -> Result<(), Error> {
    let here = Tokio::current();
    let accepted = millstream::try_unfold_async(here.clone(), listener, async |listener| {
        let (socket, client) = listener.accept().await?;
        Ok(Some(((socket, client), listener)))
    });
    let stopped = accepted.stopped_by(&stop);
    let served = stopped.for_each_concurrent(here, 16, move |(socket, client)| {
        let served = serve(socket, stop.clone(), board.clone());
        async move {
            match served.await {
                Ok(bytes) => println!("{client}: {bytes} bytes of answers"),
                Err(error) => println!("{client}: {error}"),
            }
        }
    });
    Ok(served.await?)
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.connect(address).await
}

/// Waits until a connection stands still because its client does.
async fn stands_still(board: &Board) -> Stall {
    loop {
        let earlier = board.snapshot();
        sleep(Duration::from_millis(100)).await;
        let stalls = stalls(&earlier, &board.snapshot());
        if let Some(stall) = stalls.into_iter().find(|stall| stall.side == Side::Below) {
            return stall;
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listening = TcpSocket::new_v4()?;
    listening.set_send_buffer_size(4096)?;
    listening.bind("127.0.0.1:0".parse()?)?;
    let listener = listening.listen(16)?;
    let address = listener.local_addr()?;
    let (stop, board) = (KillSwitch::new(), Board::new(16));
    let serving = tokio::spawn(server(listener, stop.clone(), board.clone()));

    let (reader, mut writer) = connect(address).await?.into_split();
    let mut answers = BufReader::new(reader).lines();
    for n in 0..1000 {
        writer.write_all(format!("line {n}\n").as_bytes()).await?;
        assert_eq!(answers.next_line().await?, Some(format!("LINE {n}")));
    }
    println!("reads all:   1000 answers, in order");

    let mut endless = connect(address).await?;
    endless.write_all(&[b'x'; 65]).await?;
    assert_eq!(endless.read(&mut [0]).await?, 0, "it is hung up on");

    let (unread, mut writer) = connect(address).await?.into_split();
    let sending =
        tokio::spawn(
            async move { while writer.write_all(b"is anybody there?\n").await.is_ok() {} },
        );
    let stall = stands_still(&board).await;
    println!("reads none:  {stall}\n\n{}", board.snapshot());
    sending.abort();
    drop(unread);

    stop.shutdown();
    serving.await?
}
