using Grpc.Core;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests;

/// <summary>Volumes that the driver encrypts, with the wrapped key in the image's metadata.</summary>
public sealed class EncryptedVolumeTests(TwoSites sites)
{
    private const string Key = "d3JhcHBlZCBrZXk=";

    [Theory]
    [InlineData("encrypted")]
    [InlineData("dek")]
    public async Task A_volume_whose_key_would_stay_here_is_refused_until_the_driver_has_moved_it(string name)
    {
        var volume = await TestVolume.CreateAsync(sites.A);
        string old = $".rbd.csi.ceph.com/{name}", current = $"rbd.csi.ceph.com/{name}";
        await SetAsync(volume, old);
        var before = await VolumeState.ReadAsync(sites.A, volume);
        var refusal = await TestVolume.FailureOfAsync(() => volume.EnableAsync(sites.A));
        Assert.Equal(StatusCode.Unavailable, refusal.StatusCode);
        Assert.Contains($"image metadata {old}", refusal.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(Key, refusal.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain(Key, sites.A.Server.Log, StringComparison.Ordinal);
        Assert.Equal(before, await VolumeState.ReadAsync(sites.A, volume));
        // The driver was killed between its two steps, if both are there.
        await SetAsync(volume, current);
        await volume.ProtectAsync(sites.A, sites.B);
        await using var copy = await volume.OpenAsync(sites.B);
        Assert.Equal(Key, await copy.GetMetadataAsync(current, CancellationToken.None));
        Assert.Null(await copy.GetMetadataAsync(old, CancellationToken.None));
    }

    private async Task SetAsync(TestVolume volume, string key)
    {
        await using var image = await volume.OpenAsync(sites.A, readOnly: false);
        await image.SetMetadataAsync(key, Key, CancellationToken.None);
    }
}
