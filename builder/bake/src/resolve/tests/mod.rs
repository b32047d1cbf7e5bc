mod believing;
mod fixture;
mod solving;
