//! An HTTP server that slow, silent or too many peers cannot block.

use crate::Places;
use axum::{
    Extension, Router,
    extract::{ConnectInfo, Request},
    serve::Listener,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{net::SocketAddr, pin::pin, time::Duration};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_io_timeout::TimeoutStream;
use tower::Layer;

/// Limits on the connections of a server.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// Connections open at a time: each takes a file descriptor, of which a process often has 1,024.
    pub all: usize,
    /// Connections of one peer. Behind a proxy all peers have the proxy's address.
    pub share: usize,
    /// Time to receive the head of a request, from the start of the connection or from the previous request.
    pub idle: Duration,
    /// Longest time for which a peer may read nothing of its response.
    pub stalled: Duration,
    /// Time for responses in flight to finish when the server stops.
    pub closing: Duration,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            all: 512,
            share: 256,
            // Clients and proxies keep idle connections for up to 90 seconds and must be the first to close: a request may be on its way.
            idle: Duration::from_secs(120),
            stalled: Duration::from_secs(30),
            closing: Duration::from_secs(10),
        }
    }
}

/// Serves until `stop` completes, then gives the responses in flight [`Connections::closing`] to finish. Handlers get the peer's
/// address from [`peer`]. Connections beyond the limits are closed at once.
pub async fn serve(mut listener: TcpListener, router: Router, limits: Connections, stop: impl Future<Output = ()>) {
    let (places, closing, mut open) = (Places::new(limits.all, limits.share), GracefulShutdown::new(), JoinSet::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.idle);
    let mut stop = pin!(stop);
    loop {
        let (socket, peer) = tokio::select! {
            () = &mut stop => break,
            Some(_) = open.join_next() => continue,
            accepted = Listener::accept(&mut listener) => accepted,
        };
        let Some(place) = places.take(Some(peer)) else {
            continue;
        };
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(limits.stalled));
        let service = TowerToHyperService::new(Extension(ConnectInfo(peer)).layer(router.clone()));
        let connection = closing.watch(http.serve_connection(TokioIo::new(Box::pin(socket)), service));
        open.spawn(async move {
            let _held = place;
            // An error on a connection concerns only its peer.
            let _ = connection.await;
        });
    }
    drop(listener);
    // Dropping `open` aborts the connections that are still open then.
    let _ = timeout(limits.closing, closing.shutdown()).await;
}

/// The address of the peer that sent a request to [`serve`].
pub fn peer(request: &Request) -> Option<SocketAddr> {
    request.extensions().get().map(|ConnectInfo(peer)| *peer)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use axum::{body::Body, routing::get};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpSocket, TcpStream},
        task::JoinHandle,
    };
    use tokio_util::sync::CancellationToken;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(3_600);
    /// Timeouts that never fire.
    const PATIENT: Connections = Connections {
        all: 3,
        share: 2,
        idle: LONG,
        stalled: LONG,
        closing: LONG,
    };

    /// A server that responds with the peer's address, and at `/long` with more than the socket buffers hold.
    async fn server(limits: Connections) -> (SocketAddr, CancellationToken, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let router = Router::new()
            .route("/", get(|request: Request| async move { peer(&request).unwrap().ip().to_string() }))
            .route("/long", get(|| async { Body::from(vec![b'x'; 64 << 20]) }));
        let served = tokio::spawn(serve(listener, router, limits, stop.clone().cancelled_owned()));
        (address, stop, served)
    }

    /// Connects from this address and sends `said`.
    async fn say(server: SocketAddr, from: &str, said: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let mut socket = socket.connect(server).await.unwrap();
        // The server may have closed it already; the caller notices when it reads.
        let _ = socket.write_all(said.as_bytes()).await;
        socket
    }

    /// Everything that the server still sends.
    async fn rest(mut socket: TcpStream) -> Vec<u8> {
        let mut answer = Vec::new();
        let read = timeout(Duration::from_secs(60), socket.read_to_end(&mut answer));
        let _ = read.await.expect("the connection ends");
        answer
    }

    async fn begun(mut socket: TcpStream) -> TcpStream {
        let mut status = [0; 12];
        socket.read_exact(&mut status).await.unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
        socket
    }

    #[tokio::test]
    async fn a_connection_without_requests_is_closed() {
        let (server, ..) = server(Connections { idle: SHORT, ..PATIENT }).await;
        for said in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"] {
            let answer = String::from_utf8(rest(say(server, "127.0.0.1", said).await).await).unwrap();
            assert_eq!(
                answer.ends_with("\r\n\r\n127.0.0.1"),
                said.ends_with("\r\n\r\n"),
                "{said}: {answer}"
            );
        }
    }

    #[tokio::test]
    async fn a_connection_on_which_nothing_is_read_is_closed() {
        let (server, ..) = server(Connections {
            all: 1,
            stalled: SHORT,
            ..PATIENT
        })
        .await;
        let stuck = begun(say(server, "127.0.0.1", "GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await).await;
        let next = async {
            while rest(say(server, "127.0.0.1", "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await)
                .await
                .is_empty()
            {}
        };
        timeout(Duration::from_secs(60), next).await.expect("its place is free");
        assert!(rest(stuck).await.len() < 64 << 20);
    }

    #[tokio::test]
    async fn a_peer_gets_its_share_of_connections() {
        let (server, ..) = server(PATIENT).await;
        let ask = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(begun(say(server, "127.0.0.2", ask).await).await);
        }
        assert!(rest(say(server, "127.0.0.2", ask).await).await.is_empty());
        held.push(begun(say(server, "127.0.0.1", ask).await).await);
        assert!(rest(say(server, "127.0.0.1", ask).await).await.is_empty(), "all are taken");
    }

    #[tokio::test]
    async fn a_stop_waits_for_responses_but_not_forever() {
        let ask = "GET /long HTTP/1.1\r\nhost: x\r\n\r\n";
        let (address, stop, served) = server(PATIENT).await;
        let read = begun(say(address, "127.0.0.1", ask).await).await;
        stop.cancel();
        assert!(rest(read).await.len() > 64 << 20);
        timeout(Duration::from_secs(60), served).await.expect("the server ends").unwrap();

        let (address, stop, served) = server(Connections { closing: SHORT, ..PATIENT }).await;
        let unread = begun(say(address, "127.0.0.1", ask).await).await;
        stop.cancel();
        timeout(Duration::from_secs(60), served).await.expect("the server ends").unwrap();
        assert!(rest(unread).await.len() < 64 << 20);
    }
}
