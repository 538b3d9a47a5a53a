"""From an upload to a video that plays."""

from tests.integration.transcoder.stage import CLIPS, Processes, Studio

from shared.contracts import TranscodeCompleted



async def test_real_footage_becomes_playable_and_complete(
    processes: Processes, studio: Studio
) -> None:
    processes.planner()
    processes.worker()
    video_id = await studio.upload(CLIPS / "bigbuckbunny.mp4")
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    print(await studio.types(video_id))
    print(done)
    for k in studio.keys():
        print(k)
    print(studio.get(f"{video_id}/master.m3u8").decode())
    print(studio.get(f"{video_id}/a1/720p.m3u8").decode())
    assert isinstance(done, TranscodeCompleted)
