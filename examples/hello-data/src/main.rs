//! The first message over a data channel, with both ends in one program.
use parlour_rtc::{Configuration, PeerConnection};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (alice, _) = PeerConnection::new(Configuration::default())?;
    let (bob, mut events) = PeerConnection::new(Configuration::default())?;
    let channel = alice.create_data_channel("hello", Default::default())?;

    // One offer, one answer: in a real program they travel by your server.
    alice.set_local_description(None).await?;
    bob.set_remote_description(alice.gathered_description().await?).await?;
    bob.set_local_description(None).await?;
    alice.set_remote_description(bob.gathered_description().await?).await?;

    channel.send("Hello, Bob!").await?;
    let theirs = events.data_channel().await.ok_or("Alice has gone")?;
    if let Some(message) = theirs.recv().await {
        println!("Alice says: {}", message.as_text().unwrap_or("(bytes)"));
    }
    Ok(())
}
