//! `demur serve` and `demur proxy`: the models over HTTP until a signal ends it.

use actix_web::rt::System;

use crate::cli::args::{Proxy, Serve};
use crate::cli::terminal::data;
use crate::service::{Application, Options, Settings, finish_log, start_log};

pub(crate) fn run(args: Serve) -> anyhow::Result<()> {
    serve(args.options.resolve()?)
}

pub(crate) fn proxy(args: Proxy) -> anyhow::Result<()> {
    let Proxy { proxy, options } = args;
    serve(Options { proxy, ..options }.resolve_proxy(|name| std::env::var(name).ok())?)
}

fn serve(settings: Settings) -> anyhow::Result<()> {
    start_log(&settings)?;
    let served = System::new().block_on(async {
        let application = Application::build(settings)?;
        data(&format!("{}://{}\n", application.scheme, application.address))?;
        if let Some(address) = application.admin_address() {
            data(&format!("admin http://{address}\n"))?;
        }
        application.run().await
    });
    finish_log();
    served
}
