//! What both handlers of this crate do in the same way.

/// Gives a handler, which is a struct with an `Arc<Core>` named `core`, its methods.
macro_rules! methods {
    ($handler:ident, $asynchronous:ident) => {
        impl $handler {
            /// A handler with all defaults. It connects when the first record comes.
            ///
            /// # Errors
            ///
            /// As [`HandlerBuilder::build`].
            pub fn new(host: &str, port: u16) -> Result<Self, $crate::Error> {
                Self::builder(host, port).build()
            }

            /// Queues a record. This returns at once, unless the policy for a full queue is to wait.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Record`](crate::ErrorKind::Record) if the record has no form as a pickle, and
            /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if it is too long, if the queue has no room for
            /// it, or if the handler is closed. Whatever the error, the record is counted in [`stats`](Self::stats).
            pub fn handle(&self, record: &$crate::model::LogRecord<'_>) -> Result<(), $crate::Error> {
                self.core.handle(record)
            }

            /// Waits until everything that was queued is handed to the system or dropped.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if that takes longer than `limit`.
            pub fn flush(&self, limit: std::time::Duration) -> Result<(), $crate::Error> {
                self.core.flush(limit)
            }

            /// Takes no more records, writes what is queued for at most `limit`, and counts the rest as dropped. All
            /// clones are closed by it.
            pub fn close(&self, limit: std::time::Duration) -> $crate::HandlerStats {
                self.core.close(limit)
            }

            /// A guard that flushes this handler when it is dropped, waiting at most `limit`.
            pub fn guard(&self, limit: std::time::Duration) -> $crate::Guard {
                $crate::Guard::new(std::sync::Arc::new(self.clone()), limit)
            }

            /// What became of all records so far.
            pub fn stats(&self) -> $crate::HandlerStats {
                self.core.stats()
            }

            /// Why the last attempt to connect failed, or the last connection ended.
            pub fn last_error(&self) -> Option<std::sync::Arc<logrecord_transport::Error>> {
                self.core.last_error()
            }

            /// Where records go.
            pub fn endpoint(&self) -> &logrecord_transport::Endpoint {
                self.core.endpoint()
            }
        }

        impl $crate::HandlerBuilder<$handler> {
            /// Makes the handler and its sender's thread. The first record makes it connect.
            ///
            /// # Errors
            ///
            /// [`ErrorKind::Endpoint`](crate::ErrorKind::Endpoint) if the endpoint is malformed,
            /// [`ErrorKind::Transport`](crate::ErrorKind::Transport) if this platform or build has no such transport or
            /// no thread can be started, and for signed records [`ErrorKind::Envelope`](crate::ErrorKind::Envelope) and
            /// [`ErrorKind::Random`](crate::ErrorKind::Random).
            pub fn build(self) -> Result<$handler, $crate::Error> {
                Ok($handler { core: std::sync::Arc::new(self.core()?) })
            }

            /// Makes the handler on the tokio runtime that this is called in.
            ///
            /// # Errors
            ///
            /// As [`build`](Self::build); [`cpython_compat`](Self::cpython_compat) is refused, because its behaviour is
            /// to block.
            #[cfg(feature = "tokio")]
            pub fn build_async(self) -> Result<$crate::$asynchronous, $crate::Error> {
                Ok($crate::$asynchronous::new(self.async_core()?))
            }
        }

        impl $crate::Handler for $handler {
            fn handle(&self, record: &$crate::model::LogRecord<'_>) -> Result<(), $crate::Error> {
                self.core.handle(record)
            }

            fn flush(&self, limit: std::time::Duration) -> Result<(), $crate::Error> {
                self.core.flush(limit)
            }
        }

        impl std::fmt::Debug for $handler {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($handler))
                    .field("endpoint", self.endpoint())
                    .finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use methods;
