//! The routes over real sockets and a real store in a temporary folder.
