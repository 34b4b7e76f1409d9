//! `demur serve` and `demur proxy`: the models over HTTP until a signal ends it.

use actix_web::rt::System;

use crate::cli::args::{Proxy, Serve};
use crate::cli::terminal::data;
use crate::engine::Usage;
use crate::service::{Application, Settings, finish_log, start_log};

pub(crate) fn run(args: Serve) -> anyhow::Result<()> {
    serve(args.options.resolve()?)
}

pub(crate) fn proxy(args: Proxy) -> anyhow::Result<()> {
    let Proxy { proxy, options } = args;
    let proxy = proxy.resolve(|name| std::env::var(name).ok())?;
    let settings = options.resolve()?;
    if settings.keys.is_some() || settings.admin_address.is_some() {
        let why = "--keys and --admin-bind are for `demur serve`: a proxy passes its callers' keys on to the upstream";
        return Err(Usage(why.to_owned()).into());
    }
    if proxy.store_texts && settings.feedback_store.is_none() {
        let why = "--store-texts says what the store of feedback keeps; give it with --feedback-store";
        return Err(Usage(why.to_owned()).into());
    }
    serve(Settings { proxy: Some(proxy), ..settings })
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
