using System.Buffers.Binary;
using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Relocation;

/// <summary>
/// A volume with a record of every acknowledged write. Each write puts the next sequence number into a block of its own
/// choice, so a site's content tells which writes it holds.
/// </summary>
public sealed class CheckedVolume(TestVolume volume, Random random)
{
    private const int BlockSize = 4096;
    private const int Blocks = 64;

    // Far enough apart that blocks lie in different objects.
    private const ulong Stride = TestVolume.SizeBytes / Blocks;

    private readonly List<int> _writes = [];

    public TestVolume Volume => volume;

    /// <summary>Number of acknowledged writes.</summary>
    public int Acknowledged => _writes.Count;

    public async Task WriteAsync(Site site, int count)
    {
        await using var image = await volume.OpenAsync(site, readOnly: false);
        for (var i = 0; i < count; i++)
        {
            var block = random.Next(Blocks);
            var data = new byte[BlockSize];
            BinaryPrimitives.WriteInt32LittleEndian(data, _writes.Count + 1);
            await image.WriteAsync((ulong)block * Stride, data, CancellationToken.None);
            _writes.Add(block);
        }
    }

    /// <summary>
    /// The number of writes that a site's content is made of, counted from the first; -1 if it is no state that the volume
    /// ever had: some later writes are there and earlier ones are missing.
    /// </summary>
    public async Task<int> HeldAsync(Site site)
    {
        var content = new int[Blocks];
        await using var image = await volume.OpenAsync(site);
        for (var block = 0; block < Blocks; block++)
        {
            var data = new byte[sizeof(int)];
            await image.ReadAsync((ulong)block * Stride, data, CancellationToken.None);
            content[block] = BinaryPrimitives.ReadInt32LittleEndian(data);
        }
        var held = content.Max();
        var expected = new int[Blocks];
        for (var i = 0; i < held; i++)
            expected[_writes[i]] = i + 1;
        return expected.AsSpan().SequenceEqual(content) ? held : -1;
    }

    /// <summary>After a failover without the last writes: what the new primary holds is the volume from now on.</summary>
    public void Forget(int held) => _writes.RemoveRange(held, _writes.Count - held);
}
