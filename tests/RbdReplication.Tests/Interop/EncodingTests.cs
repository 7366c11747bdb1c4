using RbdReplication.Ceph;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.Tests.Interop;

public sealed class EncodingTests
{
    [Fact]
    public void What_is_written_is_read_again()
    {
        var bytes = new EncodedWriter().WriteStructure(3, new EncodedWriter().WriteByte(7).WriteUInt32(70_000).WriteText("ü").WriteBytes([1, 2])).WriteText("next").ToArray();
        var reader = new EncodedReader(bytes);
        var content = reader.ReadStructure();
        Assert.Equal(7, content.ReadByte());
        Assert.Equal(70_000u, content.ReadUInt32());
        Assert.Equal("ü", content.ReadText());
        Assert.Equal([1, 2], content.ReadBytes().ToArray());
        Assert.Equal("next", reader.ReadText());
    }

    // As 16.2 writes it; before Octopus without a mode, and after 20.2 with more behind it.
    [Theory]
    [InlineData("0201" + "0700000001000000" + "67" + "01" + "01", MirrorImageState.Enabled, MirrorImageMode.Snapshot)]
    [InlineData("0201" + "0700000001000000" + "67" + "00" + "00", MirrorImageState.Disabling, MirrorImageMode.Journal)]
    [InlineData("0101" + "0600000001000000" + "67" + "01", MirrorImageState.Enabled, MirrorImageMode.Journal)]
    [InlineData("0301" + "0800000001000000" + "67" + "03" + "01" + "FF", MirrorImageState.Creating, MirrorImageMode.Snapshot)]
    [InlineData(null, MirrorImageState.Disabled, MirrorImageMode.Journal)]
    public void How_an_image_is_mirrored_is_read_as_librbd_stores_it(string? entry, MirrorImageState state, MirrorImageMode mode)
    {
        var header = new Dictionary<string, byte[]> { ["features"] = [0x41, 4, 0, 0, 0, 0, 0, 0], ["rbd_group_ref"] = [] };
        var stored = StoredMirroring.Parse(entry is null ? null : Convert.FromHexString(entry), StoredImage.Parse(header));
        Assert.Equal((state, mode, true), (stored.State, stored.Mode, stored.Image.IsInGroup));
        Assert.Equal(ImageFeatures.Layering | ImageFeatures.Journaling | ImageFeatures.NonPrimary, stored.Image.Features);
    }

    [Theory]
    [InlineData("0303" + "0700000001000000" + "67" + "01" + "01", "4500000000000000")]
    [InlineData("0201" + "0600000001000000" + "67", "4500000000000000")]
    [InlineData("0201" + "0700000001000000" + "67" + "01" + "01", "45")]
    [InlineData("0201" + "0700000001000000" + "67" + "01" + "01", null)]
    public void What_a_later_release_stores_otherwise_is_no_answer(string entry, string? features)
    {
        Dictionary<string, byte[]> header = features is null ? [] : new() { ["features"] = Convert.FromHexString(features) };
        Assert.Throws<FormatException>(() => StoredMirroring.Parse(Convert.FromHexString(entry), StoredImage.Parse(header)));
    }

    [Fact]
    public void A_change_of_the_header_is_announced_as_librbd_does() => Assert.Equal("0101" + "04000000" + "03000000", Convert.ToHexString(HeaderUpdate.Message));

    [Fact]
    public void Locks_are_asked_for_as_Ceph_encodes_it()
    {
        Assert.Equal(
            "0101" + "1D000000" + "01000000" + "6E" + "01" + "01000000" + "63" + "00000000" + "01000000" + "64" + "1E000000" + "00000000" + "01",
            Convert.ToHexString(LockRequests.Lock("n", "c", "d", TimeSpan.FromSeconds(30))));
        Assert.Equal("0101" + "0A000000" + "01000000" + "6E" + "01000000" + "63", Convert.ToHexString(LockRequests.Unlock("n", "c")));
    }
}
