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

    [Fact]
    public void Locks_are_asked_for_as_Ceph_encodes_it()
    {
        Assert.Equal(
            "0101" + "1D000000" + "01000000" + "6E" + "01" + "01000000" + "63" + "00000000" + "01000000" + "64" + "1E000000" + "00000000" + "01",
            Convert.ToHexString(LockRequests.Lock("n", "c", "d", TimeSpan.FromSeconds(30))));
        Assert.Equal("0101" + "0A000000" + "01000000" + "6E" + "01000000" + "63", Convert.ToHexString(LockRequests.Unlock("n", "c")));
    }
}
