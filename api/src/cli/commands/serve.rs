//! `demur serve`: the models over HTTP until a signal ends it.

use actix_web::rt::System;

use crate::cli::args::Serve;
use crate::cli::terminal::data;
use crate::service::{Application, finish_log, start_log};

pub(crate) fn run(args: Serve) -> anyhow::Result<()> {
    let settings = args.options.resolve()?;
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
