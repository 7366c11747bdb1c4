using RbdReplication.Ceph;
using RbdReplication.Core;

namespace RbdReplication.Tests;

public sealed class ReplicationExceptionTests
{
    // 16.2 and 18.2 answer promote and resync of what is not mirrored with ENOENT, 20.2 with EINVAL; get_mode the reverse.
    [Theory]
    [InlineData("rbd_aio_mirror_image_promote")]
    [InlineData("rbd_aio_mirror_image_demote")]
    [InlineData("rbd_aio_mirror_image_get_mode")]
    [InlineData("rbd_aio_mirror_image_create_snapshot")]
    [InlineData("rbd_mirror_image_resync")]
    [InlineData("rbd_mirror_image_disable")]
    public void What_was_changed_under_a_call_is_to_be_retried_however_the_release_says_so(string function)
    {
        foreach (var errno in (Errno[])[Errno.ENOENT, Errno.EINVAL])
        {
            var failure = ReplicationException.From(new CephException(errno, function, "pool/image"), "promote image pool/image");
            Assert.Equal(ReplicationError.Busy, failure.Error);
            Assert.Contains("somebody else has changed its mirroring just now", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_promotion_that_meets_the_mirror_daemon_in_the_journal_is_to_be_retried() => Assert.Equal(
        ReplicationError.Busy,
        ReplicationException.From(new CephException(Errno.EEXIST, "rbd_aio_mirror_image_promote", "pool/image"), "promote image pool/image").Error);

    [Theory]
    [InlineData("rbd_mirror_image_enable2", Errno.EEXIST, ReplicationError.FailedPrecondition)]
    [InlineData("rbd_aio_open_read_only", Errno.ENOENT, ReplicationError.NotFound)]
    [InlineData("rbd_mirror_image_global_status_list", Errno.ENOENT, ReplicationError.NotFound)]
    [InlineData("rbd_flatten_with_progress", Errno.EINVAL, ReplicationError.Unexpected)]
    [InlineData("rbd_mirror_image_enable2", Errno.EDQUOT, ReplicationError.Unavailable)]
    [InlineData("rbd_aio_mirror_image_demote", Errno.ENOSPC, ReplicationError.Unavailable)]
    public void Other_failures_keep_their_meaning(string function, Errno errno, ReplicationError error) =>
        Assert.Equal(error, ReplicationException.From(new CephException(errno, function, "pool/image"), "do it").Error);

    // Disable's NotFound makes the controller forget the volume: whether the image is gone is told by the next call, which opens it first.
    [Theory]
    [InlineData("rbd_aio_open_by_id")]
    [InlineData("rados_mgr_command")]
    [InlineData("rbd_metadata_list")]
    public void What_is_missing_after_the_image_was_opened_is_to_be_retried(string function)
    {
        var failure = ReplicationException.From(new CephException(Errno.ENOENT, function, "pool/image"), "disable image pool/image", wasFound: true);
        Assert.Equal(ReplicationError.Busy, failure.Error);
        Assert.Contains("it was there a moment ago, retry", failure.Message, StringComparison.Ordinal);
    }
}
