::core::compile_error! {
    "an argument owns its data: use `i64`"
}
::core::compile_error! {
    "write `async fn get` for one answer, or `fn get(..) -> impl Stream<Item = T>` for many"
}
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement the service `Counter`",
    label = "an object that serves `Counter` implements the trait `Counter`"
)]
#[allow(async_fn_in_trait)]
pub trait Counter: ::core::marker::Send + ::core::marker::Sync + ::core::marker::Sized + 'static {
    async fn add(&self, _: &i64) -> i64;
    fn get(&self) -> i64;
}
/// The client of [`Counter`].
#[allow(deprecated)]
pub struct CounterClient {
    connection: ::autod::__private::Connection,
}
#[allow(dead_code)]
impl CounterClient {
    /// Calls [`Counter::add`].
    pub fn add(&self, _: impl ::core::marker::Sized) -> ::autod::Call<i64> {
        ::core::unimplemented!()
    }
}
#[automatically_derived]
impl ::core::clone::Clone for CounterClient {
    fn clone(&self) -> Self {
        Self {
            connection: ::core::clone::Clone::clone(&self.connection),
        }
    }
}
#[automatically_derived]
impl ::core::fmt::Debug for CounterClient {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        __f.debug_struct("CounterClient").field("connection", &self.connection).finish()
    }
}
#[automatically_derived]
impl ::autod::__private::Client for CounterClient {
    fn from_connection(__connection: ::autod::__private::Connection) -> Self {
        Self { connection: __connection }
    }
    fn connection(&self) -> &::autod::__private::Connection {
        &self.connection
    }
}
/// The client of [`Counter`] that blocks.
#[allow(dead_code, deprecated)]
pub struct CounterBlockingClient {
    connection: ::autod::__private::blocking::Connection,
}
#[allow(dead_code)]
impl CounterBlockingClient {
    /// Calls [`Counter::add`].
    pub fn add(
        &self,
        _: impl ::core::marker::Sized,
    ) -> ::core::result::Result<i64, ::autod::Error> {
        ::core::unimplemented!()
    }
}
#[automatically_derived]
impl ::core::clone::Clone for CounterBlockingClient {
    fn clone(&self) -> Self {
        Self {
            connection: ::core::clone::Clone::clone(&self.connection),
        }
    }
}
#[automatically_derived]
impl ::core::fmt::Debug for CounterBlockingClient {
    fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        __f.debug_struct("CounterBlockingClient")
            .field("connection", &self.connection)
            .finish()
    }
}
#[automatically_derived]
impl ::autod::__private::blocking::Client for CounterBlockingClient {
    type Async = CounterClient;
    fn from_connection(__connection: ::autod::__private::blocking::Connection) -> Self {
        Self { connection: __connection }
    }
    fn connection(&self) -> &::autod::__private::blocking::Connection {
        &self.connection
    }
}
impl ::autod::__private::Service for CounterClient {
    const TABLE: &'static ::autod::__private::Table = &::autod::__private::Table::new(
        "Counter",
        "",
        &[],
    );
}
impl<
    __T: ::core::marker::Send + ::core::marker::Sync + 'static,
> ::autod::__private::Serves<__T> for CounterClient {
    async fn dispatch<__R: ::autod::__private::Request>(
        _: ::std::sync::Arc<__T>,
        __request: __R,
    ) -> ::autod::__private::Answered {
        <__R as ::autod::__private::Request>::unknown(__request)
    }
}
